"""The frame in which the chat shows a page that a model wrote: scripts run in it, and reach nobody.

The policy's ``sandbox`` gives the document an origin that no other has, also where somebody opens its address by
itself: it sees no cookie, no storage and no page around it, opens no window and sends no form. ``default-src 'none'``
lets nothing be fetched. The chat's own ``frame-src 'self'`` keeps the frame from going to another server, which would
learn what the address holds. No policy covers WebRTC in today's browsers: its interfaces are taken away, and so are
frames within the frame, which would have them anew. A page that hides a frame in a shadow tree still gets at them; all
that it could send is its own text.
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
  for (const name of Object.getOwnPropertyNames(window)) if (/RTC|WebTransport/.test(name)) delete window[name];
  new MutationObserver(() => {
    for (const inner of document.querySelectorAll("iframe, frame, object, embed")) inner.remove();
  }).observe(document, { childList: true, subtree: true });
  addEventListener("message", (event) => {
    if (event.source !== parent || parent === window || typeof event.data?.html !== "string") return;
    document.open();
    document.write(event.data.html);
    document.close();
  }, { once: true });
</script>
"""
