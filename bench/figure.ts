/** One measured figure beside its baseline of the same run: absolute times are noise. */
export interface Figure {
  readonly bench: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** Undefined where there is nothing to compare with on this machine. */
  readonly baseline: number | undefined;
  /** value ÷ baseline. */
  readonly ratio: number | undefined;
  /** In words, e.g. "≤ 6 s"; empty where none was set. */
  readonly goal: string;
  /** Whether the goal holds; true where there is none. */
  readonly ok: boolean;
}

/** The middle one, the upper of two; NaN of none. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

export function figure(
  bench: string,
  name: string,
  value: number,
  unit: string,
  baseline?: number,
  goal?: { readonly text: string; readonly holds: boolean },
): Figure {
  const ratio = baseline === undefined || baseline === 0 ? undefined : round(value / baseline);
  return {
    bench,
    figure: name,
    value: round(value),
    unit,
    baseline: baseline === undefined ? undefined : round(baseline),
    ratio,
    goal: goal?.text ?? '',
    ok: goal?.holds ?? true,
  };
}

const round = (value: number) => Number(value.toPrecision(3));

export function table(figures: readonly Figure[]): string {
  const rows = figures.map((f) => [
    f.bench,
    f.figure,
    `${f.value} ${f.unit}`,
    f.baseline === undefined ? '–' : `${f.baseline} ${f.unit}`,
    f.ratio === undefined ? '–' : `${f.ratio}`,
    f.goal || '–',
    f.goal === '' ? '' : f.ok ? 'ok' : 'FALLS SHORT',
  ]);
  const all = [['bench', 'figure', 'value', 'baseline', 'ratio', 'goal', ''], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
