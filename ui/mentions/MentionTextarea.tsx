import { Textarea, type TextareaProps } from '@mantine/core';
import { type RefObject, useRef } from 'react';
import { MentionMenu } from './MentionMenu.tsx';
import classes from './mentions.module.css';
import { type FindPeople, useMentioning } from './useMentioning.ts';

type MentionTextareaProps = Omit<TextareaProps, 'value' | 'onChange' | 'ref'> & {
  /** As drafts.ts keeps it. */
  draft: string;
  onDraft: (draft: string) => void;
  people: FindPeople;
  input?: RefObject<HTMLTextAreaElement | null>;
};

/** A text in which `@` and the beginning of a name mention somebody. */
export function MentionTextarea({ draft, onDraft, people, input, onKeyDown, ...props }: MentionTextareaProps) {
  const own = useRef<HTMLTextAreaElement>(null);
  const field = input ?? own;
  const mentioning = useMentioning({ input: field, draft, onChange: onDraft, people });
  return (
    <div className={classes.field}>
      <Textarea
        {...props}
        {...mentioning.aria}
        ref={field}
        value={mentioning.shown}
        onChange={(event) => mentioning.type(event.currentTarget)}
        onBlur={mentioning.close}
        onKeyDown={(event) => {
          if (!mentioning.press(event)) onKeyDown?.(event);
        }}
      />
      <MentionMenu mentioning={mentioning} />
    </div>
  );
}
