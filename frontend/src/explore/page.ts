import type { Session } from "../entrance/session.svelte";

/** What every page of Explore gets. */
export interface PageProps {
  session: Session;
}
