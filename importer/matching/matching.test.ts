import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import {
  groupPersons,
  matchPrepared,
  matchTable,
  measureGroups,
  measureReviews,
  PersonTable,
  prepare,
  readSettings,
  sayReason,
  standardSettings,
  whatIf,
} from '../index.ts';
import { isSwapped } from './comparison.ts';
import { comparePersons } from './detection.ts';
import { makeModel, packModel, standardModel, unpackModel } from './model.ts';
import { shuffle, takePeople } from './testing.people.ts';
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
    expect(reviewed[0]?.recall).toBeGreaterThan(0.85);
  });

  test('join without a mistake and find more by themselves if dates of birth are known', () => {
    const { groups, reviewed } = matchFile({ withBirthDate: true });
    expect(groups.precision).toBe(1);
    expect(groups.recall).toBeGreaterThan(0.86);
    expect(reviewed[0]?.recall).toBeGreaterThan(0.9);
  });
});

describe('lists of families, twins, colleagues, common names and several scripts', () => {
  const falseShare = (count: number) => {
    let [joined, wrong] = [0, 0];
    for (const seed of [3, 4]) {
      const listed = takePeople(count, { seed, withBirth: 0.6, withPhone: 0, withCity: 0.85 });
      const { groups } = groupPersons(listed.map((person, line) => ({ ...person, line })));
      const labels = listed.map(({ label }) => label);
      const { joinedPairs, rightPairs, recall } = measureGroups(labels, groups);
      expect(recall).toBeGreaterThan(0.6);
      joined += joinedPairs;
      wrong += joinedPairs - rightPairs;
    }
    return wrong / joined;
  };

  test('three times the rows do not have more false joins for each join', () => {
    const few = falseShare(1_000);
    const many = falseShare(3_000);
    expect(few).toBeLessThan(0.002);
    expect(many).toBeLessThan(0.002);
    expect(many).toBeLessThanOrEqual(few + 0.0005);
  });

  test('a last name and a date of birth join a row without first name only in a list that has no twins', () => {
    const joins = (twins: number) => {
      const listed = takePeople(500, { seed: 31, withBirth: 1, withPhone: 0, withCity: 0, errors: 0, twins });
      const alone = { last: 'Quandt', birth: '1971-02-03' };
      const two = [personOf({ ...alone, first: 'Ottokar' }), personOf(alone)];
      const { groups } = groupPersons([...two, ...listed].map((person, line) => ({ ...person, line })));
      return groups.some((lines) => lines.includes(0) && lines.includes(1));
    };
    expect(joins(0)).toBe(true);
    expect(joins(0.3)).toBe(false);
  });

  test('the same rows in another order give the same groups', () => {
    const listed = takePeople(400, { seed: 11 }).map((person, line) => ({ ...person, line }));
    const groupsOf = (persons: typeof listed) =>
      groupPersons(persons)
        .groups.map((lines) => lines.toSorted((a, b) => a - b).join(' '))
        .sort();
    const expected = groupsOf(listed);
    expect(expected.length).toBeGreaterThan(30);
    for (const seed of [1, 2]) expect(groupsOf(shuffle(listed, seed))).toEqual(expected);
  });

  test('two rows compare, score and agree by chance equally, whichever comes first, also with exchanged names', () => {
    const table = new PersonTable();
    const written = takePeople(220, { seed: 23, errors: 3 });
    for (const person of written) table.add(person);
    for (const { firstName, lastName, ...person } of written.slice(0, 60))
      table.add({ ...person, firstName: lastName, lastName: firstName });
    for (const { firstName, ...person } of written.slice(0, 60)) table.add({ ...person, firstName, lastName: null });
    const { compare, score, chance } = prepare(table);
    let exchanged = 0;
    for (let a = 0; a < table.size; a++)
      for (let b = a + 1; b < table.size; b++) {
        const comparison = compare(a, b);
        if (isSwapped(comparison)) exchanged++;
        const [there, back] = [score(a, b, comparison), score(b, a, comparison)];
        if (compare(b, a) !== comparison || there !== back || chance(a, b, comparison) !== chance(b, a, comparison))
          expect.fail(`rows ${a} and ${b}: ${there} and ${back}`);
      }
    expect(exchanged).toBeGreaterThan(100);
  });
});

/** A few persons among many others, so that names are neither all common nor all rare. */
const others = takePeople(150, { seed: 5 }).map((person, at) => ({ ...person, line: 1_000 + at }));
type Given = Parameters<typeof personOf>[0];
function groupFew(given: Given[], options: Parameters<typeof groupPersons>[1] = {}) {
  const { groups, held, review } = groupPersons(
    [...given.map((each, at) => personOf({ ...each, line: at + 1 })), ...others],
    options,
  );
  const few = (lines: number[]) => lines.every((line) => line < 1_000);
  return {
    groups: groups.filter(few),
    held: held.filter(({ lines }) => few(lines)),
    review: review.filter(({ lines }) => few(lines)),
  };
}

describe('an equal address', () => {
  const email = 'b.quandt@quandt-haus.example';
  test.each([
    ['one name twice', { name: 'Bob Quandt' }, { name: 'Bob Quandt' }],
    ['a short form', { name: 'Bob Quandt' }, { first: 'Robert', last: 'Quandt' }],
    ['exchanged names', { first: 'Quandt', last: 'Robert' }, { first: 'Robert', last: 'Quandt' }],
    ['an initial', { name: 'R. Quandt' }, { name: 'Robert Quandt' }],
    ['a slip', { name: 'Robret Quandt' }, { name: 'Robert Quandt' }],
    ['a name in another script', { name: 'Роберт Квандт' }, { name: 'Robert Quandt' }],
    ['a name that is not given', {}, { name: 'Robert Quandt' }],
  ])('joins %s', (_, a, b) => {
    expect(
      groupFew([
        { ...a, email },
        { ...b, email },
      ]).groups,
    ).toEqual([[1, 2]]);
  });

  test.each([
    ['two first names', { name: 'Anna Quandt' }, { name: 'Peter Quandt' }],
    ['two names that are alike and both common', { name: 'Daniel Quandt' }, { name: 'Daniela Quandt' }],
    ['a father and a son', { name: 'Karl Quandt Sr' }, { name: 'Karl Quandt Jr' }],
    [
      'dates of birth that clash',
      { name: 'Karl Quandt', birth: '1950-03-04' },
      { name: 'Karl Quandt', birth: '1981-07-19' },
    ],
  ])('does not join %s, and holds both rows', (_, a, b) => {
    const { groups, held } = groupFew([
      { ...a, email },
      { ...b, email },
    ]);
    expect(groups).toEqual([]);
    expect(held).toEqual([{ lines: [1, 2], reason: 'clashing-names' }]);
  });

  test('does not make a group larger than the limit', () => {
    const rows = ['Robert Quandt', 'Bob Quandt', 'Rob Quandt'].map((name) => ({ name, email }));
    expect(groupFew(rows).groups).toEqual([[1, 2, 3]]);
    const { groups } = groupFew(rows, { settings: { groupSizeMax: 2 } });
    expect(groups.filter((lines) => lines.length > 2)).toEqual([]);
  });

  test('of a role joins nobody, not even one name', () => {
    const role = { name: 'Robert Quandt', email: 'Sales2@quandt-haus.example' };
    const { groups, held } = groupFew([role, role]);
    expect(groups).toEqual([]);
    expect(held[0]?.reason).toBe('role-mailbox');
  });

  test('with more people than a family has joins nobody', () => {
    const names = ['Anna', 'Peter', 'Ute', 'Kofi', 'Wei', 'Priya', 'Anna'];
    const { groups, held } = groupFew(names.map((first) => ({ first, last: 'Quandt', email })));
    expect(groups).toEqual([]);
    expect(held[0]?.reason).toBe('too-many-people');
  });

  test('is claimed by neither of two people for a row without first name', () => {
    const { groups } = groupFew([
      { first: 'Anna', last: 'Quandt', email },
      { first: 'Peter', last: 'Quandt', email },
      { last: 'Quandt', email },
    ]);
    expect(groups).toEqual([]);
  });
});

describe('one telephone number', () => {
  const phone = '+493055500123';
  const robert = { name: 'Robert Quandt', phone, email: 'robert@quandt-haus.example' };

  test('joins rows with one whole name, whatever their addresses', () => {
    const { groups } = groupFew([robert, { ...robert, email: 'rq@elsewhere.example' }]);
    expect(groups).toEqual([[1, 2]]);
  });

  test.each([
    ['another first name', { name: 'Ute Quandt' }],
    ['another date of birth', { birth: '1981-07-19' }],
    ['a son of one name', { name: 'Robert Quandt Jr' }],
  ])('does not join a row with %s', (_, more) => {
    const first = { ...robert, birth: '1950-03-04', name: 'Robert Quandt Sr' };
    const { groups } = groupFew([first, { ...first, email: 'rq@elsewhere.example', ...more }]);
    expect(groups).toEqual([]);
  });

  test('joins by its rule, which can be switched off', () => {
    const rules = { ...standardSettings.rules, 'phone-and-name': false };
    const { groups, review } = groupFew([robert, { ...robert, email: 'rq@elsewhere.example' }], {
      settings: { rules },
    });
    expect(groups).toEqual([]);
    expect(review[0]?.lines).toEqual([1, 2]);
  });

  test('that more than twenty rows have is not compared, and the limit is reported', () => {
    const names = takePeople(60, { seed: 41 }).slice(0, 25);
    const persons = names.map((person, line) => ({
      ...person,
      line,
      phones: [{ written: phone, key: phone, extension: null, isShared: false }],
    }));
    const { blocks } = groupPersons(persons);
    expect(blocks.find(({ block }) => block === 'telephone')).toMatchObject({
      rowsMax: 20,
      valuesOverLimit: 1,
      rowsOverLimit: 25,
      pairs: 0,
    });
  });
});

/** Two rows with facts beside the person, among many others. @returns whether they are one group, and the reasons for which they are held */
function joinTwo(rows: [Given, Parameters<PersonTable['add']>[1]][]): { isJoined: boolean; held: string[] } {
  const table = new PersonTable();
  for (const [given, facts] of rows) table.add(personOf(given), facts);
  for (const other of others) table.add(other, { source: 9 });
  const { groups, held } = matchTable(table);
  return {
    isJoined: [...groups].some((group) => group.includes(0) && group.includes(1)),
    held: held.filter((each) => each.rows.includes(0)).map(({ reason }) => reason),
  };
}

describe('an id of a source', () => {
  const one = { name: 'Robert Quandt', email: 'robert@quandt-haus.example', id: '4711' };
  const other = { ...one, email: 'rq@elsewhere.example' };

  test('joins rows of one source, and not those of two', () => {
    expect(
      joinTwo([
        [one, { source: 1 }],
        [other, { source: 1 }],
      ]).isJoined,
    ).toBe(true);
    expect(
      joinTwo([
        [one, { source: 1 }],
        [other, { source: 2 }],
      ]).isJoined,
    ).toBe(false);
  });

  test('that has two names joins nobody, and holds its rows', () => {
    const clashing = joinTwo([
      [one, { source: 1 }],
      [{ ...other, name: 'Ute Meyer' }, { source: 1 }],
    ]);
    expect(clashing).toEqual({ isJoined: false, held: ['external-id'] });
  });
});

describe('rows that no rule may join', () => {
  const one = { name: 'Robert Quandt', email: 'robert@quandt-haus.example', phone: '+493055500124' };
  const other = { ...one, email: 'rq@elsewhere.example' };

  test('are two existing customers, however much they agree in', () => {
    expect(
      joinTwo([
        [one, {}],
        [other, { customer: 2 }],
      ]).isJoined,
    ).toBe(true);
    expect(
      joinTwo([
        [one, { customer: 1 }],
        [other, { customer: 2 }],
      ]).isJoined,
    ).toBe(false);
    expect(
      joinTwo([
        [one, { customer: 1 }],
        [one, { customer: 2 }],
      ]).isJoined,
    ).toBe(false);
  });

  test('are people with verified addresses of their own', () => {
    expect(
      joinTwo([
        [one, { hasVerifiedAddress: true }],
        [other, {}],
      ]).isJoined,
    ).toBe(true);
    expect(
      joinTwo([
        [one, { hasVerifiedAddress: true }],
        [other, { hasVerifiedAddress: true }],
      ]).isJoined,
    ).toBe(false);
  });
});

describe('what a person has decided', () => {
  const same = { name: 'Robert Quandt', email: 'robert@quandt-haus.example' };
  test('is never overridden: different rows stay apart, and are not offered again', () => {
    const { groups, review } = groupFew([same, same], { decisions: [{ lines: [1, 2], answer: 'different' }] });
    expect(groups).toEqual([]);
    expect(review).toEqual([]);
  });

  test('releases rows that were held for their names, and only if all of them are said to be one person', () => {
    const address = 'both@quandt-haus.example';
    const rows = [
      { name: 'Anna Quandt', email: address },
      { name: 'Peter Quandt', email: address },
      { name: 'Kofi Boateng', email: address },
    ];
    const two = groupFew(rows.slice(0, 2), { decisions: [{ lines: [1, 2], answer: 'same' }] });
    expect(two).toMatchObject({ groups: [[1, 2]], held: [] });
    const three = groupFew(rows, { decisions: [{ lines: [1, 2], answer: 'same' }] });
    expect(three).toMatchObject({ groups: [[1, 2]], held: [{ lines: [1, 2, 3] }] });
    const apart = groupFew(rows.slice(0, 2), { decisions: [{ lines: [1, 2], answer: 'different' }] });
    expect(apart).toMatchObject({ groups: [], held: [{ lines: [1, 2] }], review: [] });
  });

  test('joins rows that no rule would join', () => {
    const { groups } = groupFew([same, { name: 'Anna Maier', birth: '1990-04-04' }], {
      decisions: [{ lines: [1, 2], answer: 'same' }],
    });
    expect(groups).toEqual([[1, 2]]);
  });
});

test('a candidate says in words what speaks for it and against it', () => {
  const { groups, review } = groupFew([
    { name: 'Robert Quandt', email: 'robert@quandt-haus.example', city: 'Bern' },
    { name: 'Bob Quandt', email: 'bob.q@elsewhere.example', city: 'Bern' },
  ]);
  expect(groups).toEqual([]);
  expect(review[0]?.lines).toEqual([1, 2]);
  expect(review[0]?.reasons).toEqual([
    'one first name is a form of the other',
    'the last name is the same',
    'the city is the same',
    'the e-mail addresses differ',
  ]);
});

test('a what-if counts the pairs that a rule brings, with examples, and changes nothing', () => {
  const table = new PersonTable();
  for (const person of takePeople(400, { seed: 21 })) table.add(person);
  const prepared = prepare(table);
  const before = [...matchPrepared(prepared).groups];
  const { gained, lost } = whatIf(prepared, {}, readSettings(['address=off']));
  expect(gained.pairs).toBe(0);
  expect(lost.pairs).toBeGreaterThan(15);
  expect(lost.examples[0]?.reasons.length).toBeGreaterThan(0);
  expect(whatIf(prepared, readSettings(['address=off']), {}).gained.pairs).toBe(lost.pairs);
  expect([...matchPrepared(prepared).groups]).toEqual(before);
  expect(() => readSettings(['colour=red'])).toThrow(/There is no setting colour\. A setting is address=on\|off/);
  expect(() => readSettings(['chance=2'])).toThrow('chance must be a number from 0 to 1.');
});

describe('the model of a list', () => {
  const persons = takePeople(600, { seed: 5 }).map((each) => ({
    ...each,
    city: null,
    birthDate: null,
    externalId: null,
  }));
  const table = new PersonTable();
  for (const [at, person] of persons.entries()) table.add(person, { customer: at + 1 });

  test('compares two persons as the list does, also after it was kept', () => {
    const { review } = matchTable(table);
    expect(review.length).toBeGreaterThan(50);
    const compare = comparePersons(unpackModel(packModel(makeModel(table, persons.length))), persons);
    for (const { rows, score, reasons } of review.slice(0, 50)) {
      const found = compare(...rows);
      expect(found.score).toBeCloseTo(score, 2);
      expect(found.reasons.map(sayReason)).toEqual(reasons);
    }
  });

  test('of a sample says the same of a larger list: a likeness is worth less, and its names are as common', () => {
    const [small, large] = [makeModel(table, 600), makeModel(table, 6_000)];
    const [word, count] = [...small.words][0] as [number, number];
    expect(large.words.get(word)).toBeCloseTo(count * 10, -1);
    expect(large.prior).toBe(small.prior);
  });

  test('that is too small for one is more careful the more customers there are', () => {
    const [one, other] = [personOf({ name: 'Ada Quill' }), personOf({ name: 'Ada Quill' })];
    const scores = [10, 5_000].map((size) => comparePersons(standardModel(size), [one, other])(0, 1).score);
    expect(scores[0]).toBeGreaterThan(0.5);
    expect(scores[1]).toBeLessThan(0.25);
  });
});
