import type { Verb } from './absences.ts';
import type { AccessFacts } from './matrix.ts';

export type Question = {
  login: string;
  table: string;
  verb: Verb;
  column: string | null;
  row: string | null;
  value: string | null;
};

/** What the trial answered: `done` with the rows that it touched, `no_row`, or the SQLSTATE of the refusal. */
export type TrialAnswer = {
  code: string;
  rows?: number;
  message?: string;
  constraint?: string;
  hint?: string;
  /** The function that refused. */
  by?: string;
};

export type Verdict = {
  isAllowed: boolean;
  /** What decided. */
  by: 'grant' | 'policy' | 'trigger' | 'constraint' | 'value' | 'row' | 'lock' | 'other';
  /** Its name, as the database has it. */
  name: string | null;
  sentence: string;
  /** Why it is so, or what to do. */
  why: string | null;
};

/** Says what decided a trial, in words. Pure. */
export function decide(question: Question, answer: TrialAnswer, facts: AccessFacts): Verdict {
  const { login, table, verb, column } = question;
  const what = verb === 'delete' || !column ? `${verb} a row of ${table}` : `${verb} ${column} of ${table}`;
  const policy = facts.policies.map(({ name }) => name).join(', ') || null;
  const refused = (verdict: Omit<Verdict, 'isAllowed'>): Verdict => ({ isAllowed: false, ...verdict });
  const grants = facts.grantedTo.map(({ role, on }) => `${role}, on the ${on}`).join(' and ');

  switch (answer.code) {
    case 'done':
      if (answer.rows === 0)
        return refused({
          by: 'policy',
          name: policy,
          sentence: `${login} may ${what} in general, but no policy lets it reach this row. The statement succeeds and changes nothing.`,
          why: facts.policies.map(({ name, using }) => `${name}: ${using}`).join('; ') || 'There is no policy for it.',
        });
      return {
        isAllowed: true,
        by: 'grant',
        name: facts.grantedTo[0]?.role ?? null,
        sentence: `${login} may ${what}. The grant is to ${grants || facts.role}.`,
        why: facts.hasRowSecurity && policy ? `The policy ${policy} lets this row through.` : null,
      };
    case 'no_row':
      return refused({
        by: 'row',
        name: null,
        sentence: `There is no such row in ${table}.`,
        why: 'Nothing was tried.',
      });
    case '42501':
      return refuseRight(question, what, answer, facts, policy);
    case '55P03':
      return refused({
        by: 'lock',
        name: null,
        sentence: 'Somebody is changing this row right now, so nothing was tried.',
        why: 'A trial waits for nobody for longer than 0.3 seconds. Ask again.',
      });
  }
  if (answer.by)
    return refused({
      by: answer.constraint && !answer.by.includes('.') ? 'constraint' : 'trigger',
      name: answer.constraint ? `${answer.by}: ${answer.constraint}` : answer.by,
      sentence: `${login} has the right to ${what}, but the trigger function ${answer.by} refuses it: ${answer.message}.`,
      why: answer.hint ?? null,
    });
  if (answer.code.startsWith('23'))
    return refused({
      by: 'constraint',
      name: answer.constraint ?? null,
      sentence: `${login} has the right to ${what}, but ${answer.constraint ? `the constraint ${answer.constraint}` : 'a constraint'} refuses it.`,
      why:
        verb === 'insert' && answer.code === '23505'
          ? 'The trial inserts a copy of the row with this one value changed, and two rows may not have the same key. With another key it would be allowed.'
          : (answer.hint ?? answer.message ?? null),
    });
  if (answer.code.startsWith('22'))
    return refused({
      by: 'value',
      name: null,
      sentence: `This is not a value for ${column}: ${answer.message}.`,
      why: answer.hint ?? null,
    });
  return refused({
    by: 'other',
    name: answer.code,
    sentence: `${login} may not ${what}: ${answer.message}.`,
    why: answer.hint ?? null,
  });
}

function refuseRight(
  { login, table, verb }: Question,
  what: string,
  answer: TrialAnswer,
  facts: AccessFacts,
  policy: string | null,
): Verdict {
  if (answer.by)
    return {
      isAllowed: false,
      by: 'trigger',
      name: answer.by,
      sentence: `${login} has the right to ${what}, but the trigger function ${answer.by} refuses it: ${answer.message}.`,
      why: answer.hint ?? null,
    };
  if (answer.message?.includes('row-level security'))
    return {
      isAllowed: false,
      by: 'policy',
      name: policy,
      sentence: `${login} may ${verb} in ${table} in general, but its policy refuses this row.`,
      why: facts.policies.map(({ name, check, using }) => `${name}: ${check ?? using}`).join('; ') || null,
    };
  if (facts.isGranted)
    return {
      isAllowed: false,
      by: 'grant',
      name: facts.role,
      sentence: `${login} may ${what}, but not find the row: it has no right to read the key of ${table}.`,
      why: facts.absence ?? null,
    };
  return {
    isAllowed: false,
    by: 'grant',
    name: facts.role,
    sentence: facts.mayUseSchema
      ? `${login} may not ${what}: neither ${facts.role} nor a role that it is in has that grant.`
      : `${login} may not ${what}: it may not use the schema ${table.split('.')[0]} at all.`,
    why: facts.absence ?? null,
  };
}
