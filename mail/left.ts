import type { TakenFiles } from './mail.ts';

const refusedMax = 10;

/** What a record says of the attachments of a mail that are not among its files, as far as it has room: names and reasons, and a number. */
export function describeLeft({ refused, leftOut }: TakenFiles): {
  refused?: { name: string; why: string }[];
  left_out?: number;
} {
  const named = refused.slice(0, refusedMax).map(({ name, why }) => ({ name: cut(name, 80), why: cut(why, 120) }));
  const left = leftOut + refused.length - named.length;
  return { ...(named.length > 0 && { refused: named }), ...(left > 0 && { left_out: left }) };
}

function cut(text: string, max: number): string {
  const characters = [...text];
  return characters.length <= max ? text : `${characters.slice(0, max - 1).join('')}…`;
}
