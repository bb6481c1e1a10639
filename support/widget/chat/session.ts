/** A conversation, and the token that opens it to its visitor. */
export type Session = { id: string; token: string };
