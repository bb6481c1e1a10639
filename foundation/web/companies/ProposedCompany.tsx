import { Button } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconBuilding } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { proposedCompanyQuery } from '../api/companies.ts';

type ProposedCompanyProps = {
  /** The address as it is typed so far. */
  email: string;
  onChoose: (company: { id: string; name: string; domain: string }) => void;
};

/** So long nobody types before it is asked. */
const pauseMs = 300;

/** Offers the company that has the domain of an address. A failure of it is not shown: the form works without. */
export function ProposedCompany({ email, onChoose }: ProposedCompanyProps) {
  const typed = email.trim();
  const [asked] = useDebouncedValue(/@.+\../.test(typed) ? typed : '', pauseMs);
  const { data } = useQuery({ ...proposedCompanyQuery(asked), enabled: asked !== '' });
  const company = asked !== '' && asked === typed ? data?.company : undefined;
  return (
    <div role="status">
      {company && (
        <Button
          variant="light"
          size="compact-sm"
          title={`It has the domain ${company.domain}.`}
          styles={{ root: { height: 'auto', minHeight: 26 }, label: { whiteSpace: 'normal', textAlign: 'start' } }}
          leftSection={<IconBuilding size={14} />}
          onClick={() => onChoose(company)}
        >
          Choose {company.name}
        </Button>
      )}
    </div>
  );
}
