import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { groupPersons, measureGroups, measureReviews } from '../index.ts';
import { personOf } from './testing.persons.ts';

type Labelled = Record<'first_name' | 'surname' | 'dob' | 'city' | 'email' | 'cluster', string>;

const file = new URL('fixtures/fake_1000.csv', import.meta.url);
const rows = parse(readFileSync(file), { columns: true }) as Labelled[];
const labels = rows.map(({ cluster }) => cluster);

function matchFile({ withBirthDate }: { withBirthDate: boolean }) {
  const persons = rows.map(({ first_name, surname, dob, city, email }, line) =>
    personOf({ line, first: first_name, last: surname, email, city, birth: withBirthDate ? dob : '' }),
  );
  const { groups, review } = groupPersons(persons);
  const candidates = review.map(({ lines }) => ({ rows: lines }));
  return { groups: measureGroups(labels, groups), reviewed: measureReviews(labels, groups, candidates, [150]) };
}

describe('a thousand labelled rows with slips, exchanged names and missing fields', () => {
  test('join without a mistake by address, name and city alone; 150 answers settle most of the rest', () => {
    const { groups, reviewed } = matchFile({ withBirthDate: false });
    expect(groups.precision).toBe(1);
    expect(groups.recall).toBeGreaterThan(0.6);
    expect(reviewed[0]?.precision).toBe(1);
    expect(reviewed[0]?.recall).toBeGreaterThan(0.8);
  });
});
