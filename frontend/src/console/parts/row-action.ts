/** Something to do, or to download; those that take each other's place share a key, so that the focus stays. */
export type RowAction = {
  text: string;
  key?: string;
  /** It ends or removes something: in red, and last. */
  danger?: boolean;
} & ({ act: () => unknown } | { href: string });
