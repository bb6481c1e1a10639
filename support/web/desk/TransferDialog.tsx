import { contains } from '@aether/platform/folding';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { toText } from '@aether/ui/mentions/drafts.ts';
import { MentionTextarea } from '@aether/ui/mentions/MentionTextarea.tsx';
import { showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Radio, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { agentsQuery } from '../api/agents.ts';
import { assign } from '../api/conversation.ts';
import { readersToMention } from '../api/people.ts';
import type { Agent, Named, Session } from '../api/records.ts';
import { AvailabilityMark, presenceOf } from '../shell/Availability.tsx';
import { useActions } from './actions.ts';
import classes from './dialogs.module.css';
import { nameVisitor } from './order.ts';

const nobody = 'nobody';
const ranks = { online: 0, away: 1, absent: 2, offline: 3 };

/** Assigns the conversation to another agent, or returns it to everybody, with a note for the next reader. */
export function TransferDialog({ session, own, onClose }: { session: Session; own: Named; onClose: () => void }) {
  const { show } = useActions();
  const { data, error } = useQuery(agentsQuery);
  const draft = useDraft(`transfer:${session.id}`, { to: '', note: '' });
  const { to, note } = draft.value;
  const setTo = (next: string) => draft.change({ to: next });
  const people = useMemo(() => readersToMention(session.id), [session.id]);
  const [typed, setTyped] = useState('');
  const others = listOthers(data?.agents ?? [], session).filter(
    ({ name, is_reader }) => !is_reader && contains(name, typed),
  );
  const chosen = data?.agents.find(({ id }) => id === to);
  const isOutside = chosen && !chosen.widgets.some(({ id }) => id === session.widget.id);
  return (
    <Dialog
      title={`Transfer ${nameVisitor(session)}’s conversation`}
      verb="Transfer"
      draft={draft}
      faults={findMissing({ to }, { to: 'Choose who gets it.' })}
      save={() => assign(session.id, to === nobody ? null : to, toText(note).trim() || undefined)}
      onSaved={({ session: given }) => {
        show(given);
        onClose();
        const before = session.agent?.id ?? null;
        showUndo({
          message: chosen ? `${chosen.name} has the conversation now.` : 'The conversation is unassigned again.',
          undo: async () => show((await assign(session.id, before)).session),
        });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          {!data && !error && <Waiting lines={3} />}
          {(data?.agents.length ?? 0) > 7 && (
            <TextInput
              aria-label="Search agents"
              placeholder="Search agents"
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter' || event.ctrlKey || event.metaKey || typed.trim() === '') return;
                event.preventDefault();
                if (others[0]) setTo(others[0].id);
              }}
            />
          )}
          <Radio.Group label="To" name="to" error={errors.to} value={to} onChange={setTo} withAsterisk>
            <Stack gap={4} mt={6}>
              {others.map((agent, index) => (
                <Radio
                  key={agent.id}
                  size="xs"
                  value={agent.id}
                  data-autofocus={index === 0 || undefined}
                  label={
                    <span className={classes.choice}>
                      {agent.name}
                      {agent.id === own.id && ' (you)'}
                      <AvailabilityMark presence={presenceOf(agent)} />
                      <span className={classes.quiet}>{agent.open_sessions} open</span>
                    </span>
                  }
                />
              ))}
              {session.agent && <Radio size="xs" value={nobody} label="Nobody: back to Unassigned" />}
            </Stack>
          </Radio.Group>
          {isOutside && (
            <Text size="xs" c="var(--warn)">
              {chosen.name} is not in the team of {session.widget.name}; they can take it all the same.
            </Text>
          )}
          {chosen && presenceOf(chosen) !== 'online' && (
            <Text size="xs" c="var(--warn)">
              {presenceOf(chosen) === 'absent'
                ? `${chosen.name} has no console open at the moment`
                : `${chosen.name} is ${chosen.availability} at the moment`}
              : the visitor may wait longer.
            </Text>
          )}
          <MentionTextarea
            people={people}
            label="Note for them"
            name="note"
            error={errors.note}
            description="Kept in the conversation, unseen by the visitor."
            autosize
            minRows={2}
            maxRows={6}
            maxLength={1_000}
            draft={note}
            onDraft={(next) => draft.change({ note: next })}
          />
        </>
      )}
    </Dialog>
  );
}

/** The agents to choose from: those present first, then those with the fewest conversations. */
function listOthers(agents: Agent[], session: Session): Agent[] {
  return agents
    .filter(({ id, is_active }) => is_active && id !== session.agent?.id)
    .sort(
      (one, other) => ranks[presenceOf(one)] - ranks[presenceOf(other)] || one.open_sessions - other.open_sessions || 0,
    );
}
