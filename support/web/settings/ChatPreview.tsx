import { describeError } from '@aether/ui/refusal.ts';
import { Button, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconRobot, IconRotate } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { previewChatbot } from '../api/chatbots.ts';
import type { Choice, Rules, Turn, WidgetSettings } from '../api/records.ts';
import classes from './chatpreview.module.css';

type Said = Turn & { choices?: Choice[] | null };

type ChatPreviewProps = {
  name: string;
  rules: Rules;
  /** In which it answers; undefined: as the rules are written. */
  language: WidgetSettings['language'] | undefined;
  /** Whether the rules are complete enough to be tried. */
  isReady: boolean;
};

/** A chat with a bot that has the rules on this page, saved or not. None of it is stored. */
export function ChatPreview({ name, rules, language, isReady }: ChatPreviewProps) {
  const [said, setSaid] = useState<Said[]>([]);
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState('');
  const [handler, setHandler] = useState<'bot' | 'agent'>('bot');
  const talk = useRef<HTMLDivElement>(null);
  const moment = at ? new Date(at).toISOString() : undefined;
  const [settled] = useDebouncedValue(JSON.stringify({ rules, moment, language }), 300);
  const greeting = useQuery({
    queryKey: ['chatbot-greeting', settled],
    enabled: isReady,
    retry: false,
    placeholderData: (before) => before,
    queryFn: () => {
      const { rules, moment: at, language } = JSON.parse(settled);
      return previewChatbot(rules, [], { at, language });
    },
  });
  const answering = useMutation({
    mutationFn: (conversation: Said[]) =>
      previewChatbot(
        rules,
        conversation.map(({ choices: _, ...turn }) => turn),
        { at: moment, language },
      ),
    onSuccess: ({ replies, handler: next }, conversation) => {
      setSaid([...conversation, ...replies.map(({ body, choices }) => ({ author: 'bot' as const, body, choices }))]);
      setHandler(next);
    },
  });
  const greeted: Said[] = (greeting.data?.replies ?? []).map((reply) => ({ author: 'bot', ...reply }));
  const lines = said.length > 0 ? said : greeted;
  const isOver = handler === 'agent';
  const say = (body: string, question_id?: string) => {
    const conversation = [...lines, { author: 'visitor' as const, body, question_id }];
    setSaid(conversation);
    setTyped('');
    answering.mutate(conversation);
  };
  const restart = () => {
    setSaid([]);
    setHandler('bot');
    answering.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.trim() !== '' && isReady) say(typed.trim());
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: scroll to each new message
  useEffect(() => {
    if (talk.current) talk.current.scrollTop = talk.current.scrollHeight;
  }, [lines.length]);
  const lastChoices = lines.at(-1)?.choices ?? [];
  return (
    <section className={classes.preview} aria-label="Try it">
      <div className={classes.head}>
        <IconRobot size={16} aria-hidden />
        <strong>{name || 'Chatbot'}</strong>
        <span className={classes.quiet}>with the rules on this page</span>
        <Button variant="subtle" leftSection={<IconRotate size={14} />} onClick={restart}>
          Start again
        </Button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard */}
      <div ref={talk} className={classes.talk} role="log" aria-label="Preview of the chat" tabIndex={0}>
        {!isReady && <p className={classes.quiet}>Complete the rules first: beside Save you see what is missing.</p>}
        {lines.map(({ author, body }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a chat only grows
          <p key={index} className={classes.line} data-author={author}>
            {body}
          </p>
        ))}
        {lines.length === 0 && isReady && <p className={classes.quiet}>It waits for the visitor to write.</p>}
        {!isOver && lastChoices.length > 0 && (
          <div className={classes.choices}>
            {lastChoices.map(({ id, label }) => (
              <button key={id} type="button" className={classes.choice} onClick={() => say(label, id)}>
                {label}
              </button>
            ))}
          </div>
        )}
        {isOver && <p className={classes.over}>Now an agent has it.</p>}
        {(answering.error ?? greeting.error) && (
          <p className={classes.bad} role="alert">
            {describeError(answering.error ?? greeting.error)}
          </p>
        )}
      </div>
      <form className={classes.field} onSubmit={submit}>
        <TextInput
          aria-label="Write as a visitor"
          placeholder="Write as a visitor"
          flex={1}
          maxLength={4_000}
          disabled={isOver || !isReady}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Button type="submit" disabled={isOver || !isReady || typed.trim() === ''} loading={answering.isPending}>
          Say
        </Button>
      </form>
      {rules.office_hours && (
        <div className={classes.field}>
          <TextInput
            type="datetime-local"
            label="As if it were"
            description="Empty: now. To try the hours when nobody is there."
            flex={1}
            value={at}
            onChange={(event) => setAt(event.currentTarget.value)}
          />
        </div>
      )}
    </section>
  );
}
