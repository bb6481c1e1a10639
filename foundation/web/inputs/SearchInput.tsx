import { useKeys } from '@aether/ui/Keys.tsx';
import { CloseButton, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';

/** The server is asked after a pause in typing of this length. */
const typingMs = 120;

type SearchInputProps = { label: string; value: string; onChange: (value: string) => void };

/** An input that searches during typing. `/` focuses it, Escape empties it. */
export function SearchInput({ label, value, onChange }: SearchInputProps) {
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(value);
  const tell = useDebouncedCallback(onChange, typingMs);
  useEffect(() => setTyped(value), [value]);
  useKeys([{ keys: '/', label: 'Search this list', group: 'Lists', run: () => input.current?.focus() }]);
  const type = (next: string) => {
    setTyped(next);
    tell(next);
  };
  return (
    <TextInput
      ref={input}
      type="search"
      aria-label={label}
      placeholder={label}
      w={{ base: '100%', xs: 260 }}
      leftSection={<IconSearch size={15} />}
      rightSection={typed && <CloseButton size="xs" aria-label="Empty the search" onClick={() => type('')} />}
      value={typed}
      onChange={(event) => type(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Escape') type('');
        if (event.key === 'Enter' || event.key === 'ArrowDown') input.current?.blur();
      }}
    />
  );
}
