import type { Login } from '@aether/database';
import type pg from 'pg';
import type { Finding } from './findings.ts';

/*
 * The server's log holds what people type unless its settings keep it out. They may differ from login to login (`alter role … set`), so each
 * login is asked for its own.
 */

const names = [
  'log_statement',
  'log_min_duration_statement',
  'log_min_duration_sample',
  'log_transaction_sample_rate',
  'log_parameter_max_length',
  'log_parameter_max_length_on_error',
  'log_error_verbosity',
  'pg_stat_statements.track_utility',
  'auto_explain.log_min_duration',
  'auto_explain.log_parameter_max_length',
  'pgaudit.log',
  'pgaudit.log_parameter',
] as const;

type Settings = Record<(typeof names)[number], string | null>;
type Leak = { isSo: (settings: Settings) => boolean; found: (settings: Settings) => string; remedy: string };

const isOn = (milliseconds: string | null) => milliseconds !== null && Number.parseFloat(milliseconds) >= 0;
const withoutParameters = 'set log_parameter_max_length = 0';

const leaks: Leak[] = [
  {
    isSo: ({ log_statement: which }) => which === 'mod' || which === 'all',
    found: ({ log_statement: which }) => `log_statement = ${which}: every such statement is logged with its values`,
    remedy: 'set log_statement = none, or ddl',
  },
  ...(['log_min_duration_statement', 'log_min_duration_sample', 'log_transaction_sample_rate'] as const).map(
    (name): Leak => ({
      isSo: (settings) =>
        settings.log_parameter_max_length !== '0' &&
        (name === 'log_transaction_sample_rate' ? Number(settings[name]) > 0 : isOn(settings[name])),
      found: (settings) => `${name} = ${settings[name]}: such statements are logged with their parameters`,
      remedy: withoutParameters,
    }),
  ),
  {
    isSo: ({ log_parameter_max_length_on_error: length }) => length !== '0',
    found: () => 'log_parameter_max_length_on_error is not 0: a statement that fails is logged with its parameters',
    remedy: 'set log_parameter_max_length_on_error = 0',
  },
  {
    isSo: ({ log_error_verbosity: words }) => words !== 'terse',
    found: ({ log_error_verbosity: words }) =>
      `log_error_verbosity = ${words}: a refused row is logged with its values, such as Key (email)=(…)`,
    remedy: 'set log_error_verbosity = terse',
  },
  {
    isSo: (settings) => settings['pg_stat_statements.track_utility'] === 'on',
    found: () => 'pg_stat_statements.track_utility = on: statements that are no queries are kept with their values',
    remedy: 'set pg_stat_statements.track_utility = off',
  },
  {
    isSo: (settings) =>
      isOn(settings['auto_explain.log_min_duration']) && settings['auto_explain.log_parameter_max_length'] !== '0',
    found: () => 'auto_explain logs slow statements with their parameters',
    remedy: 'set auto_explain.log_parameter_max_length = 0',
  },
  {
    isSo: (settings) =>
      !['none', '', null].includes(settings['pgaudit.log']) && settings['pgaudit.log_parameter'] === 'on',
    found: () => 'pgaudit logs statements with their parameters',
    remedy: 'set pgaudit.log_parameter = off',
  },
];

/** Whether the server's log, or what it keeps of statements, gets personal data of this login's work. */
export async function examineLogOf(client: pg.Client, login: Login): Promise<Finding[]> {
  const { rows } = await client.query<{ name: keyof Settings; value: string | null }>(
    'select name, pg_catalog.current_setting(name, true) as value from unnest($1::text[]) name',
    [names],
  );
  const settings = Object.fromEntries(rows.map(({ name, value }) => [name, value])) as Settings;
  const found = leaks
    .filter(({ isSo }) => isSo(settings))
    .map(
      (leak): Finding => ({
        check: 'log',
        logins: [login],
        state: 'warning',
        found: leak.found(settings),
        remedy: leak.remedy,
      }),
    );
  if (found.length > 0) return found;
  return [{ check: 'log', logins: [login], state: 'ok', found: 'names no person: neither rows nor parameters' }];
}
