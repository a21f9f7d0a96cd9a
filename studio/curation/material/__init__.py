"""What a picture is made of: photographs, film, drawings, and what compression left of them."""
