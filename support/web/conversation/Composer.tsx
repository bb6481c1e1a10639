import { AttachButton, FileTray, useFileDrop } from '@aether/ui/attachments/FileTray.tsx';
import type { SentFile } from '@aether/ui/attachments/upload.ts';
import type { Uploads } from '@aether/ui/attachments/useUploads.ts';
import { KeyName } from '@aether/ui/KeyName.tsx';
import { useKeys } from '@aether/ui/Keys.tsx';
import { toText } from '@aether/ui/mentions/drafts.ts';
import { MentionMenu } from '@aether/ui/mentions/MentionMenu.tsx';
import { useMentioning } from '@aether/ui/mentions/useMentioning.ts';
import { type Drafting, describeDraft } from '@aether/ui/useDraft.ts';
import { Button, Group, Textarea } from '@mantine/core';
import { IconNote, IconSend, IconTextPlus } from '@tabler/icons-react';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import { readersToMention } from '../api/people.ts';
import type { Named, Session } from '../api/records.ts';
import { useActions } from '../desk/actions.ts';
import { nameVisitor } from '../desk/order.ts';
import { CannedMenu } from './CannedMenu.tsx';
import { fillIn, findOpen, nameForVisitor } from './canned.ts';
import classes from './composer.module.css';
import type { Draft, Mode } from './drafts.ts';
import { useCanned } from './useCanned.ts';

const charactersMax = 4_000;
/** From this length on the field shows how many characters are left. */
const charactersTold = 3_500;

type ComposerProps = {
  session: Session;
  own: Named;
  drafting: Drafting<Draft>;
  /** The files of the answer, and those of the note. */
  uploads: Record<Mode, Uploads>;
  onTyping: () => void;
  onSend: (kind: Mode, body: string, files?: SentFile[]) => void;
};

/** Answers the visitor, or adds a note for the other agents. `/` at the beginning opens the canned answers. */
export function Composer({ session, own, drafting, uploads, onTyping, onSend }: ComposerProps) {
  const input = useRef<HTMLTextAreaElement>(null);
  const { value: draft, change } = drafting;
  const [isMenuOff, setMenuOff] = useState(false);
  const { claim } = useActions();
  const isEnded = session.status === 'ended';
  const mode: Mode = isEnded ? 'note' : draft.mode;
  const text = draft[mode];
  const visitor = nameVisitor(session);
  const canned = useCanned(mode === 'reply' && !isMenuOff && text.startsWith('/') ? text.slice(1) : undefined);
  // Only agents read a note, and only in a note somebody is mentioned.
  const people = useMemo(() => readersToMention(session.id), [session.id]);
  const mentioning = useMentioning({
    input,
    draft: text,
    onChange: (value) => change({ [mode]: value, mode }),
    people: mode === 'note' ? people : undefined,
  });
  const length = toText(text).trim().length;
  const isTooLong = length > charactersMax;
  const open = mode === 'reply' ? findOpen(text) : undefined;
  const files = uploads[mode];
  const drop = useFileDrop(files);
  const isReady = !files.isBusy && (text.trim() !== '' || files.sent.length > 0);
  const canSend = isReady && !isTooLong && !open;
  /** It is sent as soon as the files have arrived. */
  const [isWanted, setWanted] = useState(false);
  const { isBusy } = files;
  const holder = session.agent && session.agent.id !== own.id ? session.agent : undefined;

  const begin = (next: Mode) => {
    setWanted(false);
    change({ mode: next });
    requestAnimationFrame(() => input.current?.focus());
  };
  const openCanned = () => {
    setMenuOff(false);
    change({ mode: 'reply', ...(draft.reply.trim() === '' && { reply: '/' }) });
    requestAnimationFrame(() => input.current?.focus());
  };
  useKeys([
    { keys: 'r', label: 'Reply', group: 'Conversation', run: () => begin('reply') },
    { keys: 'n', label: 'Note', group: 'Conversation', run: () => begin('note') },
    { keys: '/', label: 'Canned answers', group: 'Conversation', run: openCanned },
  ]);
  const submit = () => {
    setWanted(isBusy);
    if (!canSend) return;
    onSend(mode, text.trim(), files.sent.length > 0 ? files.sent : undefined);
    files.clear();
    change({ [mode]: '' });
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the last file has arrived
  useEffect(() => {
    if (isWanted && !isBusy) submit();
  }, [isWanted, isBusy]);
  const insert = (body: string) => {
    change({ reply: fillIn(body, { customer: nameForVisitor(session), agent: own }) });
    input.current?.focus();
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // While an input method composes letters, as in Japanese, Enter chooses a word; Safari shows that only by this code.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (canned.isOpen && canned.press(event, insert)) return;
    if (mentioning.press(event)) return;
    if (event.key === 'Escape') {
      if (text.startsWith('/') && !isMenuOff) setMenuOff(true);
      else event.currentTarget.blur();
    }
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      submit();
    }
  };
  return (
    <form
      className={classes.composer}
      data-mode={mode}
      data-over={drop.isOver || undefined}
      {...drop.handlers}
      aria-label={mode === 'note' ? 'Write a note' : 'Write an answer'}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {isEnded && (
        <div className={classes.notice}>
          This conversation has ended. Open it again to answer {visitor}; notes can be added as it is.
        </div>
      )}
      {isEnded && draft.reply.trim() !== '' && (
        <div className={classes.notice}>
          <span className={classes.left}>Your answer was not sent: “{draft.reply.trim()}”</span>
          <Group gap={6}>
            <Button
              variant="default"
              onClick={() => {
                change({ mode: 'note', note: [draft.reply, draft.note].filter(Boolean).join('\n'), reply: '' });
                input.current?.focus();
              }}
            >
              Make it a note
            </Button>
            <Button variant="subtle" onClick={() => change({ reply: '' })}>
              Discard
            </Button>
          </Group>
        </div>
      )}
      {!isEnded && holder && (
        <div className={classes.notice}>
          {holder.name} has this conversation. You can leave a note, or take it over to answer.
          <Button variant="default" onClick={() => claim(session)}>
            Take over
          </Button>
        </div>
      )}
      <div className={classes.bar}>
        <fieldset className={classes.modes} aria-label="What to write">
          {(['reply', 'note'] as const).map((each) => (
            <button
              key={each}
              type="button"
              className={classes.mode}
              data-mode={each}
              aria-pressed={mode === each}
              disabled={isEnded && each === 'reply'}
              onClick={() => begin(each)}
            >
              {each === 'reply' ? <IconSend size={14} aria-hidden /> : <IconNote size={14} aria-hidden />}
              {each === 'reply' ? 'Reply' : 'Note'}
            </button>
          ))}
        </fieldset>
        <span className={classes.modes}>
          <AttachButton uploads={files} className={classes.tool} />
          <button type="button" className={classes.tool} onClick={openCanned} disabled={isEnded}>
            <IconTextPlus size={15} aria-hidden /> Canned answers <KeyName keys="/" />
          </button>
        </span>
      </div>
      <div className={classes.field}>
        {canned.isOpen && <CannedMenu canned={canned} onChoose={insert} />}
        <MentionMenu mentioning={mentioning} isAbove />
        <Textarea
          ref={input}
          aria-label={mode === 'note' ? 'Note for the other agents' : `Answer to ${visitor}`}
          placeholder={mode === 'note' ? `Only agents see this` : `Answer ${visitor}, or / for canned answers`}
          autosize
          minRows={2}
          maxRows={10}
          variant="unstyled"
          value={mentioning.shown}
          role={canned.isOpen ? 'combobox' : undefined}
          aria-expanded={canned.isOpen || undefined}
          aria-controls={canned.isOpen ? canned.listId : undefined}
          aria-activedescendant={canned.isOpen ? canned.activeId : undefined}
          {...mentioning.aria}
          error={
            isTooLong
              ? `${length - charactersMax} characters too many.`
              : open && `Write something in place of ${open}: the visitor would read it.`
          }
          onChange={(event) => {
            const { value } = event.currentTarget;
            if (!value.startsWith('/')) setMenuOff(false);
            mentioning.type(event.currentTarget);
            if (mode === 'reply' && value !== '' && !value.startsWith('/')) onTyping();
          }}
          onBlur={mentioning.close}
          onKeyDown={press}
        />
      </div>
      <FileTray uploads={files} />
      <div className={classes.foot}>
        <span className={classes.hint} role="status">
          {describeDraft(drafting)}
        </span>
        {text.length > charactersTold && (
          <span className={classes.hint}>
            {length} of {charactersMax}
          </span>
        )}
        <span className={classes.keys}>
          <KeyName keys="enter" /> sends, <KeyName keys="shift+enter" /> new line
        </span>
        <Button
          type="submit"
          disabled={!canSend && !isBusy}
          loading={isWanted && isBusy}
          color={mode === 'note' ? 'yellow.9' : undefined}
        >
          {mode === 'note' ? 'Add note' : 'Send'}
        </Button>
      </div>
    </form>
  );
}
