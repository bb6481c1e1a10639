import { formatDuration, formatMoment } from '@aether/ui/formats.ts';
import { MovedHere } from '@aether/ui/MovedHere.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { ForChanges, useMayChange } from '@aether/ui/reading.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { ActionIcon } from '@mantine/core';
import { IconArrowsExchange, IconPencil, IconPhoneIncoming, IconPhoneOutgoing } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { movesOfCall, refreshMoved } from '../api/moves.ts';
import type { Call } from '../api/records.ts';
import classes from './calls.module.css';
import { outcomes } from './outcomes.ts';

const EditCallDialog = lazyDialog(() => import('./EditCallDialog.tsx'), 'EditCallDialog');
const MoveRecord = lazyDialog(() => import('../customers/MoveRecord.tsx'), 'MoveRecord');

type CallListProps = { calls: Call[]; none: string; showsCustomer?: boolean };

/** Calls in the given order, the latest first; each can be corrected, and moved to another customer. */
export function CallList({ calls, none, showsCustomer = false }: CallListProps) {
  const [edited, setEdited] = useState<Call | undefined>();
  const [moved, setMoved] = useState<Call | undefined>();
  if (calls.length === 0) return <p className={classes.none}>{none}</p>;
  return (
    <>
      <ul className={classes.list} data-wide={showsCustomer}>
        {calls.map((call) => (
          <CallItem
            key={call.id}
            call={call}
            showsCustomer={showsCustomer}
            onEdit={() => setEdited(call)}
            onMove={() => setMoved(call)}
          />
        ))}
      </ul>
      {edited && <EditCallDialog call={edited} onClose={() => setEdited(undefined)} />}
      {moved && (
        <MoveRecord what="call" id={moved.id} calls={movesOfCall(moved.id)} onClose={() => setMoved(undefined)} />
      )}
    </>
  );
}

type CallItemProps = { call: Call; showsCustomer: boolean; onEdit: () => void; onMove: () => void };

function CallItem({ call, showsCustomer, onEdit, onMove }: CallItemProps) {
  const client = useQueryClient();
  const mayChange = useMayChange();
  const moveBack = async () => {
    await movesOfCall(call.id).undo(call.move?.id ?? '');
    refreshMoved(client);
  };
  const { customer, agent, direction, number_e164, outcome, notes, started_at, duration_seconds } = call;
  const Icon = direction === 'inbound' ? IconPhoneIncoming : IconPhoneOutgoing;
  return (
    <li className={classes.call}>
      <Icon size={16} className={classes.icon} aria-hidden />
      <div className={classes.body}>
        <div className={classes.line}>
          {showsCustomer && (
            <Link to="/customers/$id" params={{ id: customer.id }} className={classes.who}>
              {customer.name}
            </Link>
          )}
          <span>
            {direction === 'inbound' ? 'From' : 'To'} {number_e164}
          </span>
          {outcome && <Tag tone={outcomes[outcome]?.tone}>{outcomes[outcome]?.label ?? outcome}</Tag>}
        </div>
        {notes && <div className={classes.notes}>{notes}</div>}
        <div className={classes.quiet}>
          {formatMoment(started_at)}
          {duration_seconds !== null && `, ${formatDuration(duration_seconds)}`}
          {agent && ` · ${agent.name}`}
        </div>
        {call.move && <MovedHere move={call.move} undo={mayChange ? moveBack : undefined} />}
      </div>
      <ForChanges>
        <ActionIcon onClick={onMove} aria-label={`Move the call of ${formatMoment(started_at)} to another customer`}>
          <IconArrowsExchange size={15} />
        </ActionIcon>
        <ActionIcon onClick={onEdit} aria-label={`Edit the call of ${formatMoment(started_at)}`}>
          <IconPencil size={15} />
        </ActionIcon>
      </ForChanges>
    </li>
  );
}
