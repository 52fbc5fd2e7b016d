"""The studio: a page on 127.0.0.1 that shows runs, their training, their codes, and what they make of images.

A run's folder is the interface: the studio reads its files and writes control.json, and on request a
direction into directions.json.  It needs the extra `studio`; nothing else imports this package.
"""
