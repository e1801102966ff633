"""What jobs compute: generator functions of plain values, which know core and nothing of Streamlit."""
