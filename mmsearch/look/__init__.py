"""Looks at studies on record, and changes nothing: `report`, `ls`, `show`, `export`."""
