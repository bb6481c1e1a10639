import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let fields: Record<string, number>;
let stages: Record<string, number>;
let tag: number;
const dayMs = 86_400_000;
const ago = (days: number) => new Date(Date.now() - days * dayMs).toISOString();

/** Six customers: what each of them has is told by its name. */
beforeAll(async () => {
  app = await startTestFoundation();
  await app.foundation.updateUser('maya', { role: 'admin' });
  fields = {};
  for (const [key, type, choices] of [
    ['employees', 'number', []],
    ['region', 'choice', ['North', 'South', 'Island']],
    ['renewal', 'date', []],
    ['remark', 'text', []],
    ['reference', 'checkbox', []],
  ] as const)
    fields[key] = (
      await app.call('POST', '/api/custom-fields', { record: 'customer', key, label: key, type, choices })
    ).body.id;
  tag = (await app.call('POST', '/api/tags', { name: 'Fair' })).body.id;
  stages = Object.fromEntries(
    (await app.foundation.query<{ id: number; name: string }>('select id, name from crm.pipeline_stages')).map(
      ({ id, name }) => [name, id],
    ),
  );
  const make = async (name: string, custom: object, more: object = {}) =>
    (
      await app.call('POST', '/api/customers', {
        name,
        email: `${name}@conditions.example`.toLowerCase(),
        custom,
        ...more,
      })
    ).body.id as string;
  const ada = await make('Ada', { employees: 5, region: 'North', renewal: '2026-03-01', remark: 'Pays late' });
  const bob = await make('Bob', {
    employees: 50,
    region: 'South',
    renewal: '2026-05-01',
    remark: '100% sure',
    reference: true,
  });
  const cyd = await make('Cyd', { employees: 500, region: 'Island', reference: false }, { account_tier: 'premium' });
  const dov = await make('Dov', { employees: -5, remark: 'pays LATE' }, { account_manager_id: 'maya' });
  await make('Eve', {}, { account_tier: 'premium' });
  const note = (id: string, days: number) =>
    app.call('POST', `/api/customers/${id}/activities`, {
      type: 'note',
      description: 'Spoken',
      occurred_at: ago(days),
    });
  await note(ada, 1);
  await note(ada, 400);
  await note(bob, 30);
  await note(cyd, 200);
  await note(dov, -7); // of next week
  await app.call('POST', `/api/deals`, { customer_id: ada, name: 'One', amount: 100 });
  await app.call('POST', `/api/deals`, { customer_id: ada, name: 'Two', amount: 50 });
  await app.call('POST', `/api/deals`, { customer_id: bob, name: 'Large', amount: 5_000, stage_id: stages.Proposal });
  await app.call('POST', `/api/deals`, { customer_id: cyd, name: 'Foreign', amount: 9, currency: 'USD' });
  await app.call('POST', '/api/customers/acts', { chosen: { [bob]: 6, [cyd]: 6 }, change: { add_tag_id: tag } });
});

const ask = (where: unknown, more = 'sort=name') =>
  app.call('GET', `/api/customers?${more}&where=${encodeURIComponent(JSON.stringify(where))}`);
const namesOf = ({ body }: Awaited<ReturnType<typeof ask>>) =>
  (body.customers ?? [body]).map(({ name }: { name?: string }) => name ?? body);
const all = (...conditions: unknown[]) => ({ match: 'all', conditions });
const any = (...conditions: unknown[]) => ({ match: 'any', conditions });
const custom = (key: string, op: string, value?: unknown) => ({ field: `custom.${key}`, op, value });
const activity = (op: string, value?: unknown) => ({ field: 'last_activity', op, value });
const deal = (op: string, value?: unknown) => ({ field: 'open_deal', op, value });

describe('customers are found by', () => {
  const cases: [unknown, string][] = [
    [custom('employees', 'is', 5), 'Ada'],
    [custom('employees', 'over', 5), 'Bob Cyd'],
    [custom('employees', 'under', 5), 'Dov'],
    [custom('employees', 'between', [5, 50]), 'Ada Bob'],
    [custom('employees', 'empty'), 'Eve'],
    [custom('employees', 'not_empty'), 'Ada Bob Cyd Dov'],
    [custom('region', 'any_of', ['North', 'Island']), 'Ada Cyd'],
    [custom('region', 'none_of', ['North', 'Island']), 'Bob Dov Eve'],
    [custom('renewal', 'is', '2026-03-01'), 'Ada'],
    [custom('renewal', 'before', '2026-05-01'), 'Ada'],
    [custom('renewal', 'after', '2026-03-01'), 'Bob'],
    [custom('renewal', 'between', ['2026-03-01', '2026-05-01']), 'Ada Bob'],
    [custom('renewal', 'empty'), 'Cyd Dov Eve'],
    [custom('remark', 'is', 'pays late'), 'Ada Dov'],
    [custom('remark', 'is_not', 'pays late'), 'Bob Cyd Eve'],
    [custom('remark', 'contains', 'S L'), 'Ada Dov'],
    [custom('remark', 'contains', '0%'), 'Bob'],
    [custom('remark', 'contains_not', '%'), 'Ada Cyd Dov Eve'],
    [custom('reference', 'yes'), 'Bob'],
    [custom('reference', 'no'), 'Ada Cyd Dov Eve'],
    [activity('none_for', 100), 'Cyd Dov Eve'],
    [activity('within', 100), 'Ada Bob'],
    [activity('before', ago(100)), 'Cyd'],
    [activity('since', ago(10)), 'Ada'],
    [activity('never'), 'Dov Eve'],
    [deal('some'), 'Ada Bob Cyd'],
    [deal('none'), 'Dov Eve'],
    [deal('over', 149), 'Ada Bob'],
    [deal('over', 150), 'Bob'],
    [deal('under', 151), 'Ada'],
    [{ field: 'tier', op: 'any_of', value: ['premium'] }, 'Cyd Eve'],
    [{ field: 'tier', op: 'none_of', value: ['premium'] }, 'Ada Bob Dov'],
    [{ field: 'manager', op: 'any_of', value: ['maya'] }, 'Dov'],
    [{ field: 'manager', op: 'empty' }, 'Ada Bob Cyd Eve'],
    [{ field: 'company', op: 'not_empty' }, ''],
    [{ field: 'app', op: 'any_of', value: ['foundation'] }, 'Ada Bob Cyd Dov Eve'],
    [{ field: 'created', op: 'within', value: 1 }, 'Ada Bob Cyd Dov Eve'],
    [{ field: 'updated', op: 'before', value: '2026-01-01' }, ''],
    [any(custom('employees', 'is', 5), activity('never')), 'Ada Dov Eve'],
  ];
  test.each(cases)('%j: %s, in every order, with a count and in the file', async (condition, names) => {
    const where = 'conditions' in (condition as object) ? condition : all(condition);
    const found = await ask(where);
    expect(namesOf(found).join(' ')).toBe(names);
    expect(found.body.total).toBe(names === '' ? 0 : names.split(' ').length);
    for (const sort of ['created', 'custom.employees', 'last_activity', 'open_deals'])
      expect(
        namesOf(await ask(where, `sort=${sort}`))
          .sort()
          .join(' '),
      ).toBe(names);
    const path = `/api/customers.csv?where=${encodeURIComponent(JSON.stringify(where))}`;
    const file = await (await fetch(`${app.url}${path}`, { headers: await app.headersOf('maya') })).text();
    expect(file.trim().split('\n')).toHaveLength(names === '' ? 1 : names.split(' ').length + 1);
  });

  test('a tag and a stage', async () => {
    expect(namesOf(await ask(all({ field: 'tag', op: 'any_of', value: [tag] })))).toEqual(['Bob', 'Cyd']);
    expect(namesOf(await ask(all({ field: 'tag', op: 'empty' })))).toEqual(['Ada', 'Dov', 'Eve']);
    expect(namesOf(await ask(all(deal('stage', [stages.Proposal]))))).toEqual(['Bob']);
  });

  test('groups of conditions within all or any of them', async () => {
    const premium = { field: 'tier', op: 'any_of', value: ['premium'] };
    const neglected = any(activity('none_for', 100), custom('employees', 'over', 400));
    expect(namesOf(await ask(all(premium, neglected)))).toEqual(['Cyd', 'Eve']);
    expect(namesOf(await ask(any(all(premium, custom('employees', 'empty')), custom('reference', 'yes'))))).toEqual([
      'Bob',
      'Eve',
    ]);
    expect(namesOf(await ask(all()))).toHaveLength(5);
    expect(namesOf(await ask(all(premium), 'sort=name&search=cyd'))).toEqual(['Cyd']);
  });

  test('a filter whose act changes exactly them', async () => {
    const where = JSON.stringify(all(custom('employees', 'over', 5)));
    const { body } = await app.call('POST', '/api/customers/acts', {
      matching: { where },
      change: { account_manager_id: 'maya' },
    });
    expect(body).toMatchObject({ changed: 2, refused_count: 0 });
    expect(namesOf(await ask(all({ field: 'manager', op: 'any_of', value: ['maya'] })))).toEqual(['Bob', 'Cyd', 'Dov']);
    await app.call('POST', `/api/customers/acts/${body.id}/undo`, {});
    expect(namesOf(await ask(all({ field: 'manager', op: 'any_of', value: ['maya'] })))).toEqual(['Dov']);
  });
});

describe('customers are sorted by', () => {
  test.each([
    ['custom.employees&dir=asc', 'Dov Ada Bob Cyd'],
    ['custom.employees&dir=desc', 'Cyd Bob Ada Dov'],
    ['custom.remark&dir=asc', 'Bob Ada Dov'],
    ['custom.region&dir=desc', 'Bob Ada Cyd'],
    ['custom.renewal&dir=asc', 'Ada Bob'],
    ['last_activity', 'Ada Bob Cyd'],
    ['last_activity&dir=asc', 'Cyd Bob Ada'],
    ['open_deals', 'Bob Ada'],
    ['open_deals&dir=asc', 'Ada Bob'],
  ])('%s, page by page: those without it come last, each once', async (sort, names) => {
    for (const more of ['', `&where=${encodeURIComponent(JSON.stringify(all(custom('employees', 'not_empty'))))}`]) {
      const read: string[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const path = `/api/customers?sort=${sort}${more}&limit=1${cursor && `&cursor=${cursor}`}`;
        const { body } = await app.call('GET', path);
        read.push(...body.customers.map(({ name }: { name: string }) => name));
        cursor = body.next_cursor;
      }
      const wanted = names.split(' ');
      expect(read.slice(0, wanted.length)).toEqual(wanted);
      expect(read.sort()).toEqual(more ? ['Ada', 'Bob', 'Cyd', 'Dov'] : ['Ada', 'Bob', 'Cyd', 'Dov', 'Eve']);
    }
  });
});

test('a page behind a place among texts is refused by its cursor once the field is one of numbers', async () => {
  const field = { record: 'customer', key: 'level', label: 'Level', choices: [] };
  const made = await app.call('POST', '/api/custom-fields', { ...field, type: 'text' });
  await app.call('PATCH', `/api/customers/${(await ask(all())).body.customers[0].id}`, { custom: { level: 'high' } });
  const first = await app.call('GET', '/api/customers?sort=custom.level&limit=1');
  const behind = `/api/customers?sort=custom.level&limit=1&cursor=${first.body.next_cursor}`;
  expect((await app.call('GET', behind)).status).toBe(200);
  await app.call('DELETE', `/api/custom-fields/${made.body.id}`);
  const again = await app.call('POST', '/api/custom-fields', { ...field, type: 'number' });
  expect((await app.call('GET', behind)).body).toMatchObject({ code: 'invalid-field', errors: [{ field: 'cursor' }] });
  await app.call('DELETE', `/api/custom-fields/${again.body.id}`);
});

describe('a filter is refused', () => {
  test.each([
    ['{', 'where'],
    ['[]', 'where'],
    ['{"match":"some","conditions":[]}', 'where'],
    ['{"match":"all","conditions":[],"more":1}', 'where'],
    [all({ field: 'shoe', op: 'is', value: 1 }), 'where.0'],
    [all({ field: 'tier', op: 'over', value: 1 }), 'where.0'],
    [all({ field: 'tier', op: 'constructor', value: 1 }), 'where.0'],
    [all({ ...deal('some'), more: 1 }), 'where.0'],
    [all(deal('some', 1)), 'where.0'],
    [all(custom('employees', 'is', 'many')), 'where.0'],
    [all(custom('renewal', 'is', '2026-02-30')), 'where.0'],
    [all(activity('none_for', 0)), 'where.0'],
    [all(activity('since', 'yesterday')), 'where.0'],
    [all(any(any(deal('some')))), 'where.0.0'],
    [all(any()), 'where.0'],
    [all(...Array.from({ length: 31 }, () => deal('some'))), 'where'],
  ])('that is no filter: %j, with the place of the fault', async (where, field) => {
    const text = typeof where === 'string' ? where : JSON.stringify(where);
    expect(await app.call('GET', `/api/customers?where=${encodeURIComponent(text)}`)).toMatchObject({
      status: 422,
      body: { code: 'invalid-field', errors: [{ field }] },
    });
  });

  test('that names what was removed: each such condition is named, and so is an order', async () => {
    const made = await app.call('POST', '/api/custom-fields', {
      record: 'customer',
      key: 'gone',
      label: 'Gone',
      type: 'text',
    });
    const where = any(
      deal('some'),
      all(custom('gone', 'empty')),
      custom('region', 'any_of', ['West', 'North', 'East']),
      {
        field: 'tag',
        op: 'none_of',
        value: [tag, 999_999],
      },
    );
    await app.call('DELETE', `/api/custom-fields/${made.body.id}`);
    const { status, body } = await ask(where);
    expect([status, body.code]).toEqual([422, 'filter-outdated']);
    expect(body.errors.map(({ field, message }: Record<string, string>) => [field, message])).toEqual([
      ['where.1.0', 'the custom field “gone”'],
      ['where.2.value.0', 'the choice “West” of region'],
      ['where.2.value.2', 'the choice “East” of region'],
      ['where.3.value.1', 'the tag 999999'],
    ]);
    expect(await app.call('GET', '/api/customers?sort=custom.gone')).toMatchObject({
      status: 422,
      body: { code: 'filter-outdated', errors: [{ field: 'sort' }] },
    });
    const act = { matching: { where: JSON.stringify(where) }, change: { account_tier: 'premium' } };
    expect(await app.call('POST', '/api/customers/acts', act)).toMatchObject({
      status: 422,
      body: { code: 'filter-outdated' },
    });
  });

  test('to a machine that may not read deals, if it names a stage', async () => {
    const path = `/api/customers?where=${encodeURIComponent(JSON.stringify(all(deal('stage', [stages.Proposal]))))}`;
    expect(await app.callWith('customers.read')('GET', path)).toMatchObject({ status: 403 });
    expect(await app.callWith('customers.read', 'deals.read')('GET', path)).toMatchObject({ status: 200 });
  });
});
