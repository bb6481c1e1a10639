import { Picker } from '@aether/ui/Picker.tsx';
import { ActionIcon, TagsInput } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { agentsQuery } from '../api/agents.ts';
import type { Team } from '../api/records.ts';
import classes from './settings.module.css';

type Member = Team['members'][number];
type MembersEditorProps = { members: Member[]; onChange: (members: Member[]) => void };

/** The agents of a team, and the languages that each answers in. */
export function MembersEditor({ members, onChange }: MembersEditorProps) {
  const { data } = useQuery(agentsQuery);
  const known = new Set(members.map(({ agent }) => agent.id));
  const others = (data?.agents ?? []).filter(({ id, is_active }) => is_active && !known.has(id));
  return (
    <div className={classes.stack}>
      {members.length > 0 && (
        <ul className={classes.list}>
          {members.map(({ agent, languages }) => (
            <li key={agent.id} className={classes.row}>
              <span className={classes.name}>{agent.name}</span>
              <TagsInput
                size="xs"
                w={260}
                aria-label={`Languages of ${agent.name}`}
                placeholder={languages.length === 0 ? 'Languages, such as de' : undefined}
                maxTags={20}
                value={languages}
                onChange={(given) =>
                  onChange(
                    members.map((each) =>
                      each.agent.id === agent.id ? { agent, languages: given.map((tag) => tag.toLowerCase()) } : each,
                    ),
                  )
                }
              />
              <ActionIcon
                aria-label={`Remove ${agent.name}`}
                onClick={() => onChange(members.filter((each) => each.agent.id !== agent.id))}
              >
                <IconX size={15} />
              </ActionIcon>
            </li>
          ))}
        </ul>
      )}
      <Picker
        label="Add an agent"
        placeholder="A name"
        data={others.map(({ id, name }) => ({ value: id, label: name }))}
        value={null}
        nothingFound={data ? 'No other agent' : 'Loading…'}
        onChange={(id, choice) =>
          id && onChange([...members, { agent: { id, name: choice?.label ?? '' }, languages: [] }])
        }
      />
    </div>
  );
}
