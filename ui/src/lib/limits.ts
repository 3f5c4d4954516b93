// Limits as people write them: a number and a unit.

export interface Unit {
  name: 'kB' | 'MB' | 'GB';
  bytes: number;
}

export const UNITS: [Unit, Unit, Unit] = [
  { name: 'kB', bytes: 1e3 },
  { name: 'MB', bytes: 1e6 },
  { name: 'GB', bytes: 1e9 },
];

/** The largest unit in which `bytes` is at least 1. */
export function split(bytes: number): { value: number; unit: Unit } {
  const unit = [...UNITS].reverse().find((u) => bytes >= u.bytes) ?? UNITS[0];
  return { value: Math.round((bytes / unit.bytes) * 100) / 100, unit };
}

/** Bytes of what was typed; none if it is no positive number. */
export function read(text: string, unit: Unit): number | null {
  const value = Number(text.trim().replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(value) && value > 0 ? Math.round(value * unit.bytes) : null;
}
