import { expect, test } from 'vitest';
import type { Person } from './person.ts';
import { redact } from './redaction.ts';

const known = (users: string[]) => ({ person: { users, customers: [] } as unknown as Person, agents: new Map() });

test('a text for a person names none of the staff whom it mentions, but the person themselves', () => {
  const row = { description: 'Ask <@ann> and <@tom>, not ann@aether.example', metadata: { said: 'By <@ann>' } };
  expect(redact(row, known(['tom']))).toEqual({
    description: 'Ask @staff and <@tom>, not ann@aether.example',
    metadata: { said: 'By @staff' },
  });
});

test('a hand-over to a person names no member of staff: neither who had the customer nor who has', () => {
  const row = { from_user: 'ann', to_user: 'tom', created_at: '2026-03-01' };
  expect(redact(row, known([]))).toEqual({ from_user: 'staff', to_user: 'staff', created_at: '2026-03-01' });
});
