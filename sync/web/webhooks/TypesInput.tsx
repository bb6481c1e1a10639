import { TagsInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { appsQuery } from '../api/apps.ts';

type TypesInputProps = { app: string; value: string[]; error: ReactNode; onChange: (types: string[]) => void };

/** The types of events of a webhook: those that its app may see, and those that other apps publish. */
export function TypesInput({ app, value, error, onChange }: TypesInputProps) {
  const apps = useQuery(appsQuery).data?.apps ?? [];
  const sees = apps.find(({ name }) => name === app)?.sees ?? [];
  const data = [...new Set([...sees, ...apps.flatMap(({ publishes }) => publishes)])].sort();
  return (
    <TagsInput
      size="xs"
      label="Types of events"
      name="types"
      description="Enter ends each one. The app must be able to see them."
      data={data}
      maxDropdownHeight={180}
      value={value}
      error={error}
      onChange={onChange}
    />
  );
}
