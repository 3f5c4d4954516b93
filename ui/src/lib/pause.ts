// Until when a pause lasts, in nanoseconds since 1970 as the protocol has times. `now` is in milliseconds.

/** So many minutes from now. */
export const later = (now: number, minutes: number): number => (now + minutes * 60_000) * 1e6;

/** Eight o'clock on the next day. */
export function morning(now: number): number {
  const at = new Date(now);
  at.setDate(at.getDate() + 1);
  at.setHours(8, 0, 0, 0);
  return at.getTime() * 1e6;
}
