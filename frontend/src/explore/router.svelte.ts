/** The address within Explore: its pages change without a new document. */

class Router {
  path = $state(location.pathname);

  constructor() {
    addEventListener("popstate", () => (this.path = location.pathname));
  }

  /** Takes over a plain click on a link within Explore; anything else is the browser's. */
  follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.target !== "" || link.origin !== location.origin) return;
    if (!/^\/explore(\/|$)/.test(link.pathname) || link.hash !== "") return;
    event.preventDefault();
    if (link.pathname === location.pathname) return;
    history.pushState(null, "", link.pathname);
    this.path = location.pathname;
    scrollTo(0, 0);
  }
}

export const router = new Router();
