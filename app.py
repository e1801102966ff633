"""Smoothscope's start page."""

from __future__ import annotations

import streamlit as st

from pages.parts import page

page.setup("")
st.title("Smoothscope", anchor=False)
