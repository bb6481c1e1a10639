import { expect, test } from 'vitest';
import { joinReading } from './conversation.ts';

const session = (visitor_read_number: number, agent_read_number: number, name = 'fresh') => ({
  visitor_read_number,
  agent_read_number,
  name,
});

test('an answer that is older than a reading mark does not take the mark back', () => {
  expect(joinReading(session(3, 1, 'shown'), session(2, 4))).toEqual(session(3, 4));
  expect(joinReading(undefined, session(2, 4))).toEqual(session(2, 4));
});
