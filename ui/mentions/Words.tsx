import { type Named, piecesOf, somebody } from '@aether/platform/mentions';
import classes from './mentions.module.css';

/** A text with the names of those whom it mentions. */
export function Words({ text, mentions }: { text: string; mentions: readonly Named[] }) {
  if (!text.includes('<@')) return text;
  return piecesOf(text).map((piece, place) =>
    'words' in piece ? (
      piece.words
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a text have no other name
      <span key={place} className={classes.mention}>
        @{mentions.find(({ id }) => id === piece.mention)?.name ?? somebody}
      </span>
    ),
  );
}
