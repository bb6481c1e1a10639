import { type Named, piecesOf } from '@aether/platform/mentions';

/*
 * What somebody types while they mention people. The server keeps `<@id>`. A draft keeps `<@id Name>`, so that it needs nothing else to be
 * shown again after a reload. The field shows `@Name`. All pure.
 */

const kept = /<@([^<>\s]{1,255}) ([^<>]{1,300})>/g;

/** A person as a draft names them. Of two with one name the second has the address beside it. */
export type Known = Named;

/** A text of the server as a draft. */
export const toDraft = (words: string, mentions: readonly Named[] = []): string => {
  const known: Known[] = [];
  return piecesOf(words)
    .map((piece) => {
      if ('words' in piece) return piece.words;
      const person = mentions.find(({ id }) => id === piece.mention);
      if (!person) return `<@${piece.mention}>`;
      const label = labelOf(person, known);
      known.push({ id: person.id, name: label });
      return `<@${person.id} ${label}>`;
    })
    .join('');
};

/** A draft as the server takes it. */
export const toText = (draft: string): string => draft.replace(kept, '<@$1>');

/** A draft as the field shows it. */
export const show = (draft: string): string => draft.replace(kept, '@$2');

/** The people whom a draft mentions, as it names them. */
export const knownIn = (draft: string): Known[] =>
  [...draft.matchAll(kept)].map(([, id, name]) => ({ id: id as string, name: name as string }));

/** What the field shows, as a draft again. @param known who was mentioned before, or was chosen now */
export function keep(shown: string, known: readonly Known[]): string {
  const byLength = [...known].sort((one, other) => other.name.length - one.name.length);
  let draft = '';
  for (let at = 0; at < shown.length; ) {
    const person = isFree(shown, at)
      ? byLength.find(({ name }) => shown.startsWith(name, at + 1) && !isLetter(shown, at + 1 + name.length))
      : undefined;
    draft += person ? `<@${person.id} ${person.name}>` : shown[at];
    at += person ? 1 + person.name.length : 1;
  }
  return draft;
}

/** The name that stands for a person: with the address if somebody else of that name is mentioned already. */
export function labelOf({ id, name, email }: Named & { email?: string }, known: readonly Known[]): string {
  const label = name.replace(/[<>]/g, '');
  const isTaken = known.some((each) => each.id !== id && each.name === label);
  return isTaken ? `${label} (${(email ?? id).replace(/[<>]/g, '')})` : label;
}

/** The mention that is being typed before the caret: where its @ is, and the letters after it. That of an e-mail address is none. */
export function findTyped(shown: string, caret: number): { from: number; typed: string } | undefined {
  const found = /@([\p{L}\p{M}\p{N}'’.-]*(?: [\p{L}\p{M}\p{N}'’.-]+)?)$/u.exec(shown.slice(0, caret));
  if (!found || !isFree(shown, found.index)) return undefined;
  return { from: found.index, typed: found[1] as string };
}

/** Whether an @ is here that begins a word: in `maya@aether.example` it does not. */
const isFree = (shown: string, at: number) =>
  shown[at] === '@' && !isLetter(shown, at - 1) && !/[@.\-_+]/.test(shown[at - 1] ?? '');
const isLetter = (shown: string, at: number) => /[\p{L}\p{M}\p{N}]/u.test(shown[at] ?? '');
