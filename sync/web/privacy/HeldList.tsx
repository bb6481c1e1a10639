import classes from './privacy.module.css';
import type { Held } from './queries.ts';

/** What is held, by chapter: each table with its rows and why. */
export function HeldList({ held }: { held: Held[] }) {
  const chapters = [...new Map(held.map(({ chapter, title }) => [chapter, title]))];
  return (
    <>
      {chapters.map(([chapter, title]) => (
        <section key={chapter} aria-label={title}>
          <h3 className={classes.title}>{title}</h3>
          <table className={classes.held}>
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col" className={classes.where}>
                  Where
                </th>
                <th scope="col" className={classes.number}>
                  Rows
                </th>
              </tr>
            </thead>
            <tbody>
              {held
                .filter((each) => each.chapter === chapter)
                .map(({ table, why, rows }) => (
                  <tr key={table}>
                    <td>{why}</td>
                    <td className={classes.where}>{table}</td>
                    <td className={classes.number}>{rows.toLocaleString('en')}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </section>
      ))}
    </>
  );
}
