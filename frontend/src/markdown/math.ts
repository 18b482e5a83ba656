/** TeX to MathML, loaded with the first formula. MathML needs neither KaTeX's fonts nor its style sheet. */
import katex from "katex";

/** The formula's MathML as a string still to be sanitized, or null where KaTeX can't read it. */
export function mathml(tex: string, displayMode: boolean): string | null {
  try {
    return (
      katex
        .renderToString(tex, {
          displayMode,
          output: "mathml",
          throwOnError: true,
          strict: "ignore",
          trust: false,
          maxExpand: 200,
          maxSize: 20,
        })
        // The security policy blocks style attributes; the annotation repeats the source. KaTeX escapes both
        // quotes and angle brackets in what it writes, so neither pattern can end early.
        .replace(/ style="[^"]*"/g, "")
        .replace(/<annotation[^>]*>[^<]*<\/annotation>/g, "")
    );
  } catch (error) {
    if (error instanceof katex.ParseError || error instanceof RangeError) return null;
    throw error;
  }
}
