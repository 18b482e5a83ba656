/** Energy as power times time. */
export const LAMP_WATTS = 10;

export function wattHours(watts: number, seconds: number): number {
  return (watts * seconds) / 3600;
}

/** For how long a lamp of `LAMP_WATTS` burns on the same energy. */
export function lampSeconds(watts: number, seconds: number): number {
  return (watts * seconds) / LAMP_WATTS;
}
