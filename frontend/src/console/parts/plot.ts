import type uPlot from "uplot";

/** A line of a plot's key. */
export interface Entry {
  name: string;
  /** At the place that is pointed at. */
  value: string | null;
}

/** What a plot is drawn with: in the colours of the theme, in pixels. */
export interface Paint {
  axis: uPlot.Axis;
  color: (name: string) => string;
  width: number;
}
