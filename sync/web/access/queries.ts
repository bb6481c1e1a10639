import { queryOptions } from '@tanstack/react-query';
import { act, ask } from '../api/asking.ts';

export type AccessRow = {
  schema: string;
  table: string;
  kind: 'table' | 'view';
  column: string | null;
  cells: Record<string, string>;
};
export type Matrix = {
  logins: { login: string; role: string }[];
  tried: string[];
  rows: AccessRow[];
  functions: { name: string; isDefiner: boolean; comment: string | null; logins: string[] }[];
};
export type Facts = {
  role: string;
  mayUseSchema: boolean;
  isGranted: boolean;
  grantedTo: { role: string; on: 'table' | 'column' | 'some columns' }[];
  hasRowSecurity: boolean;
  policies: { name: string; using: string | null; check: string | null }[];
  absence?: string;
};
export type Verdict = { isAllowed: boolean; by: string; name: string | null; sentence: string; why: string | null };
export type Verb = 'select' | 'insert' | 'update' | 'delete';
export const verbs: Verb[] = ['select', 'insert', 'update', 'delete'];

export const matrixQuery = queryOptions({
  queryKey: ['access'],
  queryFn: ({ signal }) => ask<Matrix>('/api/access', signal),
  // No event tells of a grant. It is a large answer, so that it is not asked for every few seconds.
  refetchInterval: 60_000,
  staleTime: 30_000,
});

export const factsQuery = (login: string, table: string, column: string | null, verb: Verb) =>
  queryOptions({
    queryKey: ['access', login, table, column, verb],
    queryFn: ({ signal }) =>
      ask<Facts>(`/api/access/facts?${new URLSearchParams({ login, table, verb, ...(column && { column }) })}`, signal),
  });

export type Question = {
  login: string;
  table: string;
  verb: Verb;
  column: string | null;
  row: string | null;
  value: string | null;
};
export const tryQuestion = (question: Question) => act<Verdict>('POST', '/api/access/trials', question);
