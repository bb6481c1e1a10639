import { Tag, type Tone } from '@aether/ui/Tag.tsx';
import { Button, Radio } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import parts from '../parts/parts.module.css';
import { nameApp } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import classes from './duplicates.module.css';
import type { Member } from './queries.ts';
import { compareMembers, type Mark, sayEntry } from './words.ts';

type MembersProps = {
  members: Member[];
  /** Who goes on if they are merged; undefined: nothing is decided here. */
  survivor: string | undefined;
  onSurvivor: (id: string) => void;
  onLeaveOut: ((id: string) => void) | undefined;
};

const marks: Record<Mark, { word: string; tone: Tone }> = {
  same: { word: 'same', tone: 'good' },
  differs: { word: 'differs', tone: 'warn' },
  one: { word: 'only one', tone: 'plain' },
};

/** Customers beside each other: each field with a word for whether its values are the same, then the last entries of both apps. */
export function Members({ members, survivor, onSurvivor, onLeaveOut }: MembersProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table scrolls, and must be reachable by keyboard
    <section data-sideways className={classes.scroll} tabIndex={0} aria-label="The customers">
      <table className={classes.members} style={{ minWidth: 104 + members.length * 118 }}>
        <thead>
          <tr>
            <td />
            {members.map((member, at) => (
              <th key={member.id} scope="col">
                <Link to="/customers/$id" params={{ id: member.id }}>
                  {member.name}
                </Link>
                {survivor !== undefined && (
                  <Radio
                    size="xs"
                    name="survivor"
                    label="Goes on"
                    aria-label={`${member.name}, number ${at + 1}, goes on`}
                    checked={survivor === member.id}
                    onChange={() => onSurvivor(member.id)}
                  />
                )}
                {onLeaveOut && (
                  <Button
                    size="compact-xs"
                    variant="default"
                    aria-label={`Leave out ${member.name}, number ${at + 1}`}
                    onClick={() => onLeaveOut(member.id)}
                  >
                    Leave out
                  </Button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {compareMembers(members, nameApp).map(({ label, values, mark }) => (
            <tr key={label} data-mark={mark}>
              <th scope="row">
                {label}
                {mark && (
                  <span className={classes.mark}>
                    <Tag tone={marks[mark].tone}>{marks[mark].word}</Tag>
                  </span>
                )}
              </th>
              {members.map((member, at) => (
                <td key={member.id}>{values[at]}</td>
              ))}
            </tr>
          ))}
          <tr>
            <th scope="row">Since</th>
            {members.map((member) => (
              <td key={member.id}>
                <When at={member.created_at} />
              </td>
            ))}
          </tr>
          <tr>
            <th scope="row">Last entries</th>
            {members.map((member) => (
              <td key={member.id}>
                <Entries member={member} />
              </td>
            ))}
          </tr>
        </tbody>
      </table>
    </section>
  );
}

function Entries({ member: { timeline } }: { member: Member }) {
  if (timeline.length === 0) return <span className={parts.quiet}>none</span>;
  return (
    <ul className={classes.entries}>
      {timeline.map(({ app, what, text, at }) => (
        <li key={`${at} ${what} ${text}`}>
          <span className={parts.quiet}>
            {nameApp(app)}, {sayEntry(what)} <When at={at} />
          </span>
          {text}
        </li>
      ))}
    </ul>
  );
}
