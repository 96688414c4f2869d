"""Pictures of a PDF's pages, and where on them a passage of the stored text stands.

PDFium draws and reads the pages, in a process of its own (`worker`), which `process` starts, limits and
ends; `marks` brings its text together with ours. Nothing here knows of rights: who may see a page is asked
before every call. Nothing is imported here, so that the process has only what it needs.
"""
