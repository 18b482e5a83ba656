/** What every page of the console is given. */
import type { Session } from "../entrance/session.svelte";
import type { Access } from "./access";

export interface PageProps {
  access: Access;
  session: Session;
}
