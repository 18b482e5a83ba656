import { describe, expect, test } from "vitest";
import { Drafts } from "../src/chat/drafts";

function storage(): Pick<Storage, "getItem" | "setItem" | "removeItem"> & { size: number } {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    get size() {
      return kept.size;
    },
  };
}

const draft = (text: string, ...queue: string[]) => ({ text, queue });

describe("a draft", () => {
  test("is there again after a reload, with what waited to be sent", () => {
    const store = storage();
    new Drafts("ada", store).set("conv_1", draft("Half a", "waits"));
    const again = new Drafts("ada", store);
    expect(again.get("conv_1")).toEqual(draft("Half a", "waits"));
    expect(again.get("conv_2")).toEqual(draft(""));
  });

  test("keeps the documents that its question waits for, whatever else of it is empty", () => {
    const store = storage();
    const documents = { own: "vs_1", attached: ["vs_2"], awaited: [{ id: "file_1", name: "rivers.md" }] };
    new Drafts("ada", store).set("new", { text: "", queue: [], documents });
    expect(new Drafts("ada", store).get("new").documents).toEqual(documents);
    new Drafts("ada", store).set("new", draft(""));
    expect(store.size).toBe(0);
  });

  test("remembers the project in which it will be sent", () => {
    const store = storage();
    new Drafts("ada", store).set("new", { ...draft(""), project: "proj_1" });
    expect(new Drafts("ada", store).get("new").project).toBe("proj_1");
    new Drafts("ada", store).set("new", { ...draft("Salt?"), project: undefined });
    expect(new Drafts("ada", store).get("new")).toEqual(draft("Salt?"));
  });

  test("belongs to one person", () => {
    const store = storage();
    new Drafts("ada", store).set("new", draft("secret"));
    expect(new Drafts("bob", store).get("new")).toEqual(draft(""));
    new Drafts("bob", store).set("new", draft("mine"));
    expect(new Drafts("ada", store).get("new")).toEqual(draft(""));
  });

  test("that is sent leaves nothing behind", () => {
    const store = storage();
    const drafts = new Drafts("ada", store);
    drafts.set("new", draft("Hello"));
    drafts.set("new", draft(""));
    expect(store.size).toBe(0);
  });

  test("of the oldest conversation makes room for the latest", () => {
    const drafts = new Drafts("ada", storage());
    for (let number = 0; number < 60; number++) drafts.set(`conv_${number}`, draft("text"));
    expect([drafts.get("conv_9").text, drafts.get("conv_10").text]).toEqual(["", "text"]);
  });

  test.each(["{", "null", '{"person":"ada","drafts":3}', '{"person":"ada","drafts":[["a",{}]]}', '{"drafts":[[1]]}'])(
    "that can't be read, as %s, is none",
    (stored) => {
      const store = storage();
      store.setItem("aquilon.drafts", stored);
      expect(new Drafts("ada", store).get("a")).toEqual(draft(""));
    },
  );

  test("stays on the page where the browser keeps nothing", () => {
    const refuses = () => {
      throw new Error("denied");
    };
    const drafts = new Drafts("ada", { getItem: refuses, setItem: refuses, removeItem: refuses });
    expect(() => drafts.set("new", draft("text"))).not.toThrow();
    expect(drafts.get("new")).toEqual(draft(""));
  });
});
