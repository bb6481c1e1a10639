/** Control characters other than tab and line ends. NUL is one of them: PostgreSQL cannot store it in text. */
const control = /[^\P{Cc}\t\n\r]/u;

/**
 * Names characters that no field of any request may hold, as the end of a sentence that starts with the field's name.
 * Undefined if the text has none.
 */
export function describeBadCharacter(text: string): string | undefined {
  if (!text.isWellFormed()) return 'holds half a character (a lone surrogate): send well-formed Unicode';
  if (text.includes('\0')) return 'holds the NUL character (U+0000): remove it';
  if (control.test(text)) return 'holds a control character: remove it';
  return undefined;
}

/**
 * The number of Unicode code points. PostgreSQL counts these as characters; `length` counts more if the text has emoji.
 */
export function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
