import { describe, expect, test } from 'vitest';
import { ada, attempt, bob, createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();

const customers = '42501 permission denied for table customers';
const set = (assignment: string, id = ada) => `update platform.customers set ${assignment} where id = '${id}'`;
const add = (columns: string, values: string) =>
  `insert into platform.customers (email, name${columns}) values ('new@example.com', 'New'${values})`;

describe('values that the database chooses', () => {
  const uuid = `'00000000-0000-7000-8000-00000000ffff'`;
  const given = {
    id: uuid,
    version: '9',
    created_at: `'2001-01-01'`,
    updated_at: `'2001-01-01'`,
    merged_into: `'${bob}'`,
    erased_at: 'now()',
  };
  const cases = (['foundation_app', 'support_app'] as const).flatMap((login) =>
    Object.entries(given).map(([column, value]) => [login, column, value] as const),
  );
  test.each(cases)('%s cannot choose the %s of a customer', async (login, column, value) => {
    expect(await attempt(world[login], add(`, ${column}`, `, ${value}`))).toBe(customers);
    expect(await attempt(world[login], set(`${column} = ${value}`))).toBe(customers);
    expect(await attempt(world[login], set(`${column} = default`))).toBe(customers);
    expect(await attempt(world[login], add('', ''))).toBe('1 row');
    expect(await attempt(world[login], set(`phone = '+1 212 555 0100', phone_key = '+12125550100'`))).toBe('1 row');
  });

  const company = (column: string, value: string) =>
    `insert into platform.companies (name, ${column}) values ('New', ${value})`;
  test.each(['id', 'version', 'created_at', 'updated_at'] as const)(
    'no app can choose the %s of a company',
    async (column) => {
      for (const login of ['foundation_app', 'support_app'] as const) {
        expect(await attempt(world[login], company(column, given[column]))).toBe(
          '42501 permission denied for table companies',
        );
        expect(await attempt(world[login], company('domain', `'new.example'`))).toBe('1 row');
      }
    },
  );

  refuse(world, 'foundation_app', {
    'cannot choose the number of a deal': {
      attack: `insert into crm.deals (id, customer_id, pipeline_id, stage_id, name) overriding system value
        values (99, '${ada}', 1, 1, 'Deal')`,
      ends: '42501 permission denied for table deals',
      neighbour: `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ('${ada}', 1, 1, 'Deal')`,
    },
    'cannot choose the number of a pipeline': {
      attack: `insert into crm.pipelines (id, name) overriding system value values (99, 'P')`,
      ends: '42501 permission denied for table pipelines',
      neighbour: `insert into crm.pipelines (name) overriding user value values ('P')`,
    },
    'cannot wind its customer numbers back': {
      attack: `select setval('crm.customer_number', 1)`,
      ends: '42501 permission denied for sequence customer_number',
      neighbour: `select nextval('crm.customer_number')`,
    },
    'cannot wind the numbers of deals back': {
      attack: `select setval('crm.deals_id_seq', 1)`,
      ends: '42501 permission denied for sequence deals_id_seq',
      neighbour: `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ('${ada}', 1, 1, 'Deal')`,
    },
    "cannot draw Support's customer numbers": {
      attack: `select nextval('support.customer_number')`,
      ends: '42501 permission denied for schema support',
      neighbour: `select nextval('crm.customer_number')`,
    },
  });
  refuse(world, 'support_app', {
    // It may choose an id: the files of a mail are stored before the conversation that the mail opens.
    'cannot take the id of a session that is there': {
      attack: `insert into support.sessions (id, widget_id, visitor_email, visitor_name, token_hash)
               select id, widget_id, 'x@example.com', 'X', sha256('y') from support.sessions`,
      ends: '23505 duplicate key value violates unique constraint "sessions_pkey"',
      neighbour: `insert into support.sessions (id, widget_id, visitor_email, visitor_name, token_hash)
                  select ${uuid}, id, 'x@example.com', 'X', sha256('y') from support.widgets`,
    },
    'cannot choose when a message was written': {
      attack: `insert into support.messages (session_id, number, author, client_id, body, created_at)
               select id, 2, 'bot', 'c', 'b', '2001-01-01' from support.sessions`,
      ends: '42501 permission denied for table messages',
      neighbour: `insert into support.messages (session_id, number, author, client_id, body) select id, 2, 'bot', 'c', 'b'
        from support.sessions`,
    },
    'cannot have an agent say something without naming the agent': {
      attack: `insert into support.messages (session_id, number, author, client_id, body) select id, 2, 'agent', 'c', 'b'
        from support.sessions`,
      ends: '23514 new row for relation "messages" violates check constraint "messages_agent_of_author"',
      neighbour: `insert into support.messages (session_id, number, author, client_id, body) select id, 2, 'bot', 'c', 'b'
        from support.sessions`,
    },
    'cannot rewrite a message': {
      attack: `update support.messages set body = 'never said'`,
      ends: '42501 permission denied for table messages',
      neighbour: `update support.sessions set message_count = 2`,
    },
    'cannot wind its customer numbers back': {
      attack: `select setval('support.customer_number', 1)`,
      ends: '42501 permission denied for sequence customer_number',
      neighbour: `select nextval('support.customer_number')`,
    },
    "cannot draw Foundation's customer numbers": {
      attack: `select nextval('crm.customer_number')`,
      ends: '42501 permission denied for sequence customer_number',
      neighbour: `select nextval('support.customer_number')`,
    },
  });
});
