import { describe, expect, test } from 'vitest';
import { pageOf } from './events.ts';
import { mayWrite } from './reading.ts';

describe('a statement that changes nothing', () => {
  test.each([
    'select * from platform.customers where id = $1',
    '  SELECT count(*) from platform.customers c where c.id = any ($1)',
    'with recent as materialized (select id from crm.deals order by id desc limit 5) select * from recent',
    `select coalesce(max(position), 0), lower('F') from sync.events`,
    'select position from sync.events where position > sync.head() - 5',
    pageOf('select * from sync.read_events($1, $2, $3)'),
    'values (1), (2)',
    'select',
  ])('%s', (text) => expect(mayWrite(text)).toBe(false));
});

describe('a statement that may change something', () => {
  test.each([
    ['says so', 'update platform.customers set name = $1'],
    ['says so further on', 'with gone as (delete from crm.deals returning id) select * from gone'],
    ['makes a table', 'select * into temporary t from platform.customers'],
    ['takes a lock', 'select 1 from platform.customers where id = $1 for no key update'],
    ['calls a function of a schema', 'select platform.sign_in_user($1)'],
    ['calls one of the search path', 'select take_over($1)'],
    ['calls one whose name is quoted', 'select "take_over"($1)'],
    ['calls one that has the name of a harmless one, in a schema', 'select platform . count ($1)'],
    ['hides the parenthesis behind a comment', 'select take_over/* now */($1)'],
    ['hides the parenthesis behind a line', 'select take_over--\n($1)'],
    ['sets something', `select set_config('aether.actor', 'maya', false)`],
    ['has a parenthesis in a literal, which is not told from a call', `select 'f(x)'`],
    ['calls one whose name ends as a harmless one does', 'select émax($1)'],
    ['calls one whose name is written in code points', `select U&"t!0061ke_over" uescape '!' ($1)`],
    ['begins otherwise', 'call platform.protect_table()'],
    ['reads who acts', 'select platform.current_actor()'],
  ])('%s', (_, text) => expect(mayWrite(text)).toBe(true));
});
