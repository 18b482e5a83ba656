/** Lines of the one family of icons, which only the side list and the palette draw. */
export const GLYPHS = {
  side: "M4.2 3.5h11.6c.7 0 1.2.5 1.2 1.2v10.6c0 .7-.5 1.2-1.2 1.2H4.2c-.7 0-1.2-.5-1.2-1.2V4.7c0-.7.5-1.2 1.2-1.2ZM8 3.5v13",
  search: "M9 3.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM13 13l3.8 3.8",
  pin: "M7.2 3.5h5.6M8 3.5v5.2l-2 2.6h8l-2-2.6V3.5M10 11.3v5.2",
  folder: "M3 15V5.5c0-.6.4-1 1-1h3.6l1.8 2h6.6c.6 0 1 .4 1 1V15c0 .6-.4 1-1 1H4c-.6 0-1-.4-1-1Z",
  archive: "M3.5 4.5h13v3h-13ZM4.7 7.5v7.3c0 .6.4 1 1 1h8.6c.6 0 1-.4 1-1V7.5M8 10.5h4",
  back: "M16 10H4.5M9 5 4 10l5 5",
} as const;
