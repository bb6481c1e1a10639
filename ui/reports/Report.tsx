import type { ReactNode } from 'react';
import { useId } from 'react';
import { CsvLink } from '../CsvLink.tsx';
import classes from './reports.module.css';

type ReportProps = {
  title: string;
  /** What the numbers are, in a sentence for somebody who sees them for the first time. */
  meaning: ReactNode;
  /** The file with the rows of the table. */
  file?: { path: string; filters: Record<string, string | number | boolean | undefined> };
  /** Over the whole width. */
  isWide?: boolean;
  children: ReactNode;
};

/** One report of a page: what it says, its chart, and the table behind it. */
export function Report({ title, meaning, file, isWide = false, children }: ReportProps) {
  const id = useId();
  return (
    <section className={classes.report} data-wide={isWide || undefined} aria-labelledby={id}>
      <div className={classes.head}>
        <h2 id={id} className={classes.title}>
          {title}
        </h2>
        {file && <CsvLink path={file.path} filters={file.filters} of={title} />}
      </div>
      <p className={classes.meaning}>{meaning}</p>
      {children}
    </section>
  );
}

/** A number that stands for itself, with what it is. */
export function Figure({ label, value, detail }: { label: string; value: ReactNode; detail?: ReactNode }) {
  return (
    <div className={classes.figure}>
      <dt>{label}</dt>
      <dd>
        <b>{value}</b>
        {detail && <span>{detail}</span>}
      </dd>
    </div>
  );
}

export function Figures({ children }: { children: ReactNode }) {
  return <dl className={classes.figures}>{children}</dl>;
}

/** The reports of a page, side by side where there is room. */
export function Reports({ children }: { children: ReactNode }) {
  return <div className={classes.reports}>{children}</div>;
}
