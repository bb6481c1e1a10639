import { Link } from '@tanstack/react-router';

const isUuid = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);

/** The session of a message: a customer, whose events are a click away, or the row that the event is of. */
export function Session({ id }: { id: string | null }) {
  if (id === null) return 'without a session';
  if (!isUuid(id)) return `session ${id}`;
  return (
    <>
      session{' '}
      <Link to="/events" search={{ customer: id }}>
        {id}
      </Link>
    </>
  );
}
