"""Everything a browser sees: pages, styles, behaviour. It writes only through the REST API."""
