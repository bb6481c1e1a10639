import { formatMoment } from '@aether/ui/formats.ts';
import { useMayChange } from '@aether/ui/reading.tsx';
import { useNarrow } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { ActionIcon, Button, Menu, Tooltip } from '@mantine/core';
import {
  IconArrowLeft,
  IconArrowsExchange,
  IconCheck,
  IconClockPause,
  IconDots,
  IconHandGrab,
  IconRotateClockwise,
  IconUser,
  IconUserShare,
} from '@tabler/icons-react';
import { Link, useSearch } from '@tanstack/react-router';
import type { Session } from '../api/records.ts';
import { useActions } from '../desk/actions.ts';
import { Deadline } from '../desk/Deadline.tsx';
import { Labels } from '../desk/Labels.tsx';
import { LabelsOf } from '../desk/LabelsOf.tsx';
import { nameVisitor } from '../desk/order.ts';
import { TierTag } from '../desk/TierTag.tsx';
import classes from './conversation.module.css';
import { sayReads } from './languages.ts';

type ConversationHeadProps = {
  session: Session;
  ownAgentId: string;
  /** Opens the customer, if the panel is not beside it anyway. */
  onContext: (() => void) | undefined;
};

/** The customer, the assigned agent, and the actions. */
export function ConversationHead({ session, ownAgentId, onContext }: ConversationHeadProps) {
  const isNarrow = useNarrow();
  const mayChange = useMayChange();
  const place = useSearch({ from: '/desk' });
  const { claim, askTransfer, askSnooze, askEnd, askMove, reopen } = useActions();
  const { agent, status, handler } = session;
  const reads = sayReads(session);
  const isOpen = status === 'active';
  const isMine = agent?.id === ownAgentId;
  const doings = [
    {
      label: 'Transfer',
      key: 'T',
      icon: <IconUserShare size={16} />,
      run: () => askTransfer(session),
      isShown: agent !== null,
    },
    {
      label: 'Snooze',
      key: 'S',
      icon: <IconClockPause size={16} />,
      run: () => askSnooze(session),
      isShown: true,
    },
    { label: 'End', key: 'E', icon: <IconCheck size={16} />, run: () => askEnd(session), isShown: true },
  ].filter(({ isShown }) => isShown && isOpen && mayChange);
  if (!isOpen && mayChange)
    doings.push({
      label: 'Open again',
      key: 'O',
      icon: <IconRotateClockwise size={16} />,
      run: () => reopen(session),
      isShown: true,
    });
  return (
    <header className={classes.head}>
      {isNarrow && (
        <Link to="/inbox" search={place} className={classes.back}>
          <IconArrowLeft size={18} aria-label="Back to the list" />
        </Link>
      )}
      <div className={classes.who}>
        <h2 className={classes.name}>
          <span className={classes.visitor}>{nameVisitor(session)}</span>
          <TierTag tier={session.customer?.account_tier} />
          <Labels session={session} />
        </h2>
        <div className={classes.about}>
          <Holding session={session} isMine={isMine} />
          <Deadline session={session} isLong />
          <PageLink page={session.page} />
          {reads && <span>{reads}</span>}
        </div>
      </div>
      <div className={classes.doings}>
        {mayChange && isOpen && !isMine && (
          <Tooltip label={agent ? `${agent.name} has it` : 'Take it on: C'}>
            <Button
              variant={agent || handler === 'bot' ? 'default' : 'filled'}
              leftSection={<IconHandGrab size={15} />}
              onClick={() => claim(session)}
            >
              {agent ? 'Take over' : 'Claim'}
            </Button>
          </Tooltip>
        )}
        {doings.map(({ label, key, icon, run }) => (
          <Tooltip key={label} label={`${label}: ${key}`}>
            <Button variant="default" className={classes.doing} leftSection={icon} aria-label={label} onClick={run}>
              {label}
            </Button>
          </Tooltip>
        ))}
        {mayChange && <LabelsOf session={session} />}
        {mayChange && session.customer && (
          <Tooltip label="Move to another customer: M">
            <ActionIcon
              className={classes.move}
              aria-label="Move to another customer"
              size="md"
              onClick={() => askMove(session)}
            >
              <IconArrowsExchange size={18} />
            </ActionIcon>
          </Tooltip>
        )}
        {onContext && (
          <ActionIcon onClick={onContext} aria-label="Show the customer" size="md">
            <IconUser size={18} />
          </ActionIcon>
        )}
        {mayChange && (doings.length > 0 || session.customer) && (
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon className={classes.more} aria-label="What can be done" size="md">
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              {doings.map(({ label, icon, run }) => (
                <Menu.Item key={label} leftSection={icon} onClick={run}>
                  {label}
                </Menu.Item>
              ))}
              {session.customer && (
                <Menu.Item leftSection={<IconArrowsExchange size={16} />} onClick={() => askMove(session)}>
                  Move to another customer…
                </Menu.Item>
              )}
            </Menu.Dropdown>
          </Menu>
        )}
      </div>
    </header>
  );
}

function Holding({ session, isMine }: { session: Session; isMine: boolean }) {
  const { status, resolved, ended_at, snoozed_until, handler, agent, is_offline, widget } = session;
  if (status === 'ended')
    return (
      <>
        <Tag tone={resolved ? 'good' : 'warn'}>{resolved ? 'Resolved' : 'Not resolved'}</Tag>
        {ended_at && <span>Ended {formatMoment(ended_at)}</span>}
      </>
    );
  return (
    <>
      <span>{handler === 'bot' ? 'With the bot' : isMine ? 'Yours' : agent ? `With ${agent.name}` : 'Unassigned'}</span>
      {snoozed_until && <Tag tone="accent">Snoozed until {formatMoment(snoozed_until)}</Tag>}
      {is_offline && (
        <Tooltip label="Written while nobody was online. The visitor may not be there any more and expects an e-mail.">
          <span>
            <Tag tone="warn">Offline message</Tag>
          </span>
        </Tooltip>
      )}
      <span className={classes.via}>via {widget.name}</span>
    </>
  );
}

/** The page from which the visitor wrote. The visitor chooses its address: only addresses of the web become links. */
function PageLink({ page }: { page: Session['page'] }) {
  if (!page) return null;
  const text = page.title || page.url;
  if (!/^https?:\/\//i.test(page.url)) return <span className={classes.from}>from {text}</span>;
  return (
    <span className={classes.from}>
      from{' '}
      <a href={page.url} target="_blank" rel="noopener noreferrer nofollow" title={page.url}>
        {text}
      </a>
    </span>
  );
}
