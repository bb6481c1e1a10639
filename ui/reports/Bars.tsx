import classes from './reports.module.css';

export type Bar = {
  key: string;
  label: string;
  /** Below the bar, where there is little room. */
  short?: string;
  /** One for each of the series. */
  values: number[];
  /** What the values are, in words. */
  said: string;
};

type BarsProps = {
  /** What the bars are, if there are several kinds. */
  series?: string[];
  bars: Bar[];
  /** Time goes to the right; names go down, where they have room. */
  along: 'time' | 'names';
};

/**
 * Bars for reading at a glance. All of it is in the table below, which a screen reader reads instead; so nothing here takes the focus. The
 * kinds differ by pattern as well as by colour.
 */
export function Bars({ series = [], bars, along }: BarsProps) {
  const most = Math.max(...bars.flatMap(({ values }) => values), 0);
  if (most === 0) return null;
  const share = (value: number) => `${Math.max((value / most) * 100, value > 0 ? 1 : 0)}%`;
  // Of many bars only some have room for a name: the first, the last, and two between them.
  const last = bars.length - 1;
  const named = [...new Set([0, Math.round(last / 3), Math.round((last * 2) / 3), last])];
  return (
    <div className={classes.chart} aria-hidden="true">
      {series.length > 1 && (
        <ul className={classes.legend}>
          {series.map((name, index) => (
            <li key={name}>
              <i data-kind={index} /> {name}
            </li>
          ))}
        </ul>
      )}
      <div className={along === 'time' ? classes.columns : classes.lines}>
        {bars.map(({ key, label, values, said }) => (
          <div key={key} title={`${label}: ${said}`} className={classes.bar}>
            {along === 'names' && <span className={classes.name}>{label}</span>}
            <span className={classes.stack}>
              {values.map((value, kind) => (
                <i
                  key={series[kind] ?? kind}
                  data-kind={kind}
                  style={along === 'time' ? { blockSize: share(value) } : { inlineSize: share(value) }}
                />
              ))}
            </span>
          </div>
        ))}
      </div>
      {along === 'time' && (
        <div className={classes.axis}>
          {named.map((index) => (
            <span key={index}>{bars[index]?.short ?? bars[index]?.label}</span>
          ))}
        </div>
      )}
    </div>
  );
}
