"""The frame in which the chat shows a page that a model wrote: scripts run in it, and reach nobody.

The policy's ``sandbox`` gives the document an origin that no other has, also where somebody opens its address by
itself: it sees no cookie, no storage and no page around it, opens no window and sends no form. ``default-src 'none'``
lets nothing be fetched. The chat's own ``frame-src 'self'`` keeps the frame from going to another server, which would
learn what the address holds.

No policy covers WebRTC in today's browsers: its interfaces are taken away, and so is each frame within the frame, which
would have them anew, before it loads. A frame is seen wherever it stands: shadow trees are watched too, and no parser
makes one unseen (``shadowrootmode`` is not heard, ``…HTMLUnsafe`` is gone, ``document.write`` inserts at its place).
What watches holds the browser's own functions, which the page can't replace.
"""

from __future__ import annotations

_POLICY = "; ".join(
    (
        "sandbox allow-scripts",
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "font-src data:",
        "media-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)

FRAME_HEADERS = {
    "content-security-policy": _POLICY,
    "x-frame-options": "SAMEORIGIN",
    "x-dns-prefetch-control": "off",
    "cache-control": "no-store",
}

FRAME = """<!doctype html>
<meta charset="utf-8">
<title>Aquilon</title>
<script>
{
  const bound = (method) => Function.prototype.call.bind(method);
  const getter = (type, name) => bound(Object.getOwnPropertyDescriptor(type.prototype, name).get);
  const [open, write, close] = ["open", "write", "close"].map((name) => bound(Document.prototype[name]));
  const attach = bound(Element.prototype.attachShadow);
  const inDocument = bound(Document.prototype.querySelectorAll);
  const inShadow = bound(DocumentFragment.prototype.querySelectorAll);
  const remove = bound(Element.prototype.remove);
  const item = bound(NodeList.prototype.item);
  const count = getter(NodeList, "length");
  const observe = bound(MutationObserver.prototype.observe);
  const Observer = MutationObserver;

  const watch = (root, select) => {
    const clear = () => {
      const frames = select(root, "iframe, frame, object, embed, fencedframe");
      for (let at = count(frames) - 1; at >= 0; at--) remove(item(frames, at));
    };
    observe(new Observer(clear), root, { childList: true, subtree: true });
  };

  for (const name of Object.getOwnPropertyNames(window)) if (/RTC|WebTransport/.test(name)) delete window[name];
  for (const owner of [Document, Document.prototype, Element.prototype, ShadowRoot.prototype])
    for (const name of Object.getOwnPropertyNames(owner)) if (/HTMLUnsafe$/.test(name)) delete owner[name];
  Element.prototype.attachShadow = function (wanted) {
    const root = attach(this, { ...wanted, clonable: false });
    watch(root, inShadow);
    return root;
  };
  Document.prototype.open = Document.prototype.close = function () {
    return this;
  };
  Document.prototype.write = Document.prototype.writeln = function (...texts) {
    const [place, where] = this.currentScript ? [this.currentScript, "beforebegin"] : [this.body, "beforeend"];
    place.insertAdjacentHTML(where, texts.join(""));
  };
  watch(document, inDocument);

  addEventListener("message", (event) => {
    if (event.source !== parent || parent === window || typeof event.data?.html !== "string") return;
    const html = event.data.html.replace(/shadowrootmode/gi, "data-$&");
    open(document);
    write(document, html);
    close(document);
  }, { once: true });
}
</script>
"""
