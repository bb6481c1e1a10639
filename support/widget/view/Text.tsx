import { findLinks } from '../chat/links.ts';

/** Text and nothing but text: markup is shown as it was typed. */
export function Text({ text }: { text: string }) {
  return (
    <>
      {findLinks(text).map(({ text: words, href }) =>
        href ? (
          <a key={href} href={href} target="_blank" rel="noopener noreferrer nofollow">
            {words}
          </a>
        ) : (
          words
        ),
      )}
    </>
  );
}
