import { ActionIcon, UnstyledButton } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { KeyName } from './KeyName.tsx';
import classes from './SearchButton.module.css';

/** Opens the palette, for people who do not know its key yet. */
export function SearchButton({ onClick, isSmall = false }: { onClick: () => void; isSmall?: boolean }) {
  if (isSmall)
    return (
      <ActionIcon onClick={onClick} aria-label="Search and commands" size="lg">
        <IconSearch size={18} />
      </ActionIcon>
    );
  return (
    <UnstyledButton className={classes.search} onClick={onClick}>
      <IconSearch size={15} />
      <span>Search</span>
      <KeyName keys="mod+k" />
    </UnstyledButton>
  );
}
