/** The stretches of time that charts show. */
export const ranges = ['hour', 'day', 'month'] as const;
export type Range = (typeof ranges)[number];

/** One line of a chart. */
export type Series = {
  /** What is counted or measured: `customers_created`, `query_latency`. */
  name: string;
  unit: string;
  /** Which of several lines of that name: an app, a type, a percentile. */
  label?: string;
  /** Where the numbers come from, in words. */
  source: string;
  /** The beginning of each step in seconds since 1970, and the value; null where nobody measured. */
  points: [at: number, value: number | null][];
};

export type SeriesAnswer = {
  from: Date;
  to: Date;
  stepSeconds: number;
  series: Series[];
};
